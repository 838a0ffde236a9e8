/** The dashboard's document. It holds no data: the script asks the admin for all of it. */
export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>outrigger</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath d='M3 12h26c-2 6-6 8-13 8S5 18 3 12Z' fill='%230d8f83'/%3E%3Crect x='7' y='24' width='18' height='3' rx='1.5' fill='%23e08a2c'/%3E%3C/svg%3E">
<link rel="stylesheet" href="dashboard.css">
<script src="dashboard.js" defer></script>
</head>
<body>
<a class="skip" href="#services">Skip to services</a>
<header class="bar">
  <div class="brand">
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <path d="M10 13v12M22 13v12" class="boom"/><path d="M2 9h28c-2 7-6 9-14 9S4 16 2 9Z" class="hull"/>
      <rect x="5" y="24" width="22" height="4" rx="2" class="float"/>
    </svg>
    <h1>outrigger</h1>
    <span id="state" class="pill" data-tone="idle">connecting</span>
  </div>
  <dl class="facts">
    <div><dt>Up</dt><dd id="uptime">–</dd></div>
    <div><dt>Memory</dt><dd id="memory">–</dd></div>
    <div><dt>Reloads</dt><dd id="reloads">–</dd></div>
    <div><dt>Failed reloads</dt><dd id="reload-failures">–</dd></div>
  </dl>
  <button id="reload" type="button">Reload configuration</button>
</header>
<div id="notice" class="notice" role="status" aria-live="polite" hidden></div>
<main id="main">
  <section class="tiles" aria-label="Traffic, the last two minutes">
    <article class="tile"><h2>Requests</h2><p class="figure"><span id="rate">–</span> <small>per second</small></p>
      <svg id="rate-line" class="line" viewBox="0 0 120 32" preserveAspectRatio="none" aria-hidden="true"></svg></article>
    <article class="tile"><h2>Server errors</h2><p class="figure"><span id="errors">–</span> <small>of requests</small></p>
      <svg id="errors-line" class="line bad" viewBox="0 0 120 32" preserveAspectRatio="none" aria-hidden="true"></svg></article>
    <article class="tile"><h2>Latency p99</h2><p class="figure"><span id="p99">–</span> <small>p50 <span id="p50">–</span></small></p>
      <svg id="p99-line" class="line warm" viewBox="0 0 120 32" preserveAspectRatio="none" aria-hidden="true"></svg></article>
    <article class="tile"><h2>In flight</h2><p class="figure"><span id="inflight">–</span> <small><span id="retries">–</span> retries per second</small></p>
      <svg id="inflight-line" class="line" viewBox="0 0 120 32" preserveAspectRatio="none" aria-hidden="true"></svg></article>
  </section>
  <p id="hint" class="hint" hidden>Request rates, errors and latency come from the <code>metrics</code> plugin: list it under <code>plugins:</code> at the top of the configuration.</p>
  <div class="find"><label for="filter">Find</label>
    <input id="filter" type="search" placeholder="a service, route, endpoint or plugin" autocomplete="off" spellcheck="false"><span id="nothing" role="status" hidden>Nothing here is called that.</span></div>
  <section id="services" tabindex="-1" aria-labelledby="services-title">
    <h2 id="services-title">Services</h2><div id="service-list"><p class="empty">Asking…</p></div>
  </section>
  <section id="routes" aria-labelledby="routes-title">
    <h2 id="routes-title">Routes</h2><div id="route-list"><p class="empty">Asking…</p></div>
  </section>
</main>
<footer><span id="updated">not updated yet</span>
  <nav aria-label="Raw data"><a href="metrics">metrics</a> <a href="services">services</a> <a href="routes">routes</a> <a href="plugins">plugins</a> <a href="config">config</a></nav>
</footer>
<noscript><p class="notice" data-tone="bad">The dashboard needs JavaScript. The same data: <a href="services">services</a>, <a href="routes">routes</a>, <a href="metrics">metrics</a>.</p></noscript>
</body>
</html>
`
