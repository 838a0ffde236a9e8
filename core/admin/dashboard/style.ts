/** Light and dark follow the system. Tone is never told by colour alone: each badge says its word. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #f5f7f8; --card: #ffffff; --edge: #dde4e7; --ink: #14232b; --soft: #54676f; --faint: #edf1f3;
  --sea: #0b7a70; --sea-wash: #d8f0ec; --amber: #9a5700; --amber-wash: #fdecd2; --red: #b3261e; --red-wash: #fbe1df;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1519; --card: #142027; --edge: #25353d; --ink: #e4edf0; --soft: #9db0b8; --faint: #1b2a32;
    --sea: #4fd1c2; --sea-wash: #12393a; --amber: #f0b35c; --amber-wash: #3d2d12; --red: #ff938a; --red-wash: #45201e;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
h1, h2, h3, p, dl, dd, ol, ul { margin: 0; padding: 0; }
[hidden] { display: none !important; }
a { color: var(--sea); }
code, .mono { font-family: var(--mono); font-size: .9em; }
:focus-visible { outline: 2px solid var(--sea); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -99em; }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .3rem .6rem; z-index: 2; }

.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem 2rem; padding: .8rem clamp(1rem, 3vw, 2.5rem);
  background: var(--card); border-bottom: 1px solid var(--edge); position: sticky; top: 0; z-index: 1; }
.brand { display: flex; align-items: center; gap: .6rem; }
.brand h1 { font-size: 1.15rem; letter-spacing: -.01em; }
.hull { fill: var(--sea); } .float { fill: #e08a2c; } .boom { stroke: var(--soft); stroke-width: 2; }
.facts { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; margin-left: auto; }
.facts div { display: flex; gap: .45rem; align-items: baseline; }
.facts dt { color: var(--soft); font-size: .82rem; }
.facts dd { font-variant-numeric: tabular-nums; font-weight: 600; }
button { font: inherit; font-size: .88rem; padding: .38rem .8rem; color: var(--ink); background: var(--faint);
  border: 1px solid var(--edge); border-radius: 7px; cursor: pointer; }
button:hover { border-color: var(--sea); } button:disabled { opacity: .6; cursor: progress; }

.pill { font-size: .78rem; font-weight: 600; padding: .1rem .55rem; border-radius: 99px; white-space: nowrap;
  background: var(--faint); color: var(--soft); }
[data-tone=good].pill { background: var(--sea-wash); color: var(--sea); }
[data-tone=warn].pill { background: var(--amber-wash); color: var(--amber); }
[data-tone=bad].pill { background: var(--red-wash); color: var(--red); }
.notice { margin: 1rem clamp(1rem, 3vw, 2.5rem) 0; padding: .6rem .9rem; border-radius: 8px; background: var(--sea-wash); }
.notice[data-tone=bad] { background: var(--red-wash); color: var(--red); }
.notice .close { float: right; margin: -.1rem -.3rem 0 1rem; padding: .15rem .6rem; background: none; color: inherit; border-color: currentColor; }
.notice ul { margin-top: .35rem; padding-left: 1.1rem; } .notice li { overflow-wrap: anywhere; }

main { padding: 1.2rem clamp(1rem, 3vw, 2.5rem) 2rem; max-width: 1500px; margin: 0 auto; }
main.stale { opacity: .55; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem; }
.tile { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; padding: .85rem 1rem 0; overflow: hidden; }
.tile h2 { font-size: .82rem; font-weight: 500; color: var(--soft); }
.figure { font-size: 1.75rem; font-weight: 650; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.figure small { font-size: .8rem; font-weight: 400; letter-spacing: 0; color: var(--soft); }
.line { display: block; width: calc(100% + 2rem); margin: .25rem -1rem 0; height: 44px; color: var(--sea); }
.line.warm { color: var(--amber); } .line.bad { color: var(--red); }
.line .area { fill: currentColor; opacity: .13; }
.line .edge { fill: none; stroke: currentColor; stroke-width: 1.6; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.notes { color: var(--soft); font-size: .82rem; padding: 0 1rem .6rem; margin: 0; }
.hint, .empty { color: var(--soft); } .hint { margin-top: .9rem; } .empty { padding: 1rem; }
.find { display: flex; gap: .6rem; align-items: center; margin-top: 1.4rem; color: var(--soft); font-size: .88rem; }
.find input { font: inherit; flex: 0 1 24rem; min-width: 0; padding: .35rem .65rem; color: var(--ink); background: var(--card);
  border: 1px solid var(--edge); border-radius: 7px; }
.find input::placeholder { color: var(--soft); opacity: 1; }

section > h2 { font-size: 1rem; margin: 1.4rem 0 .6rem; } .tiles h2 { margin: 0; }
#service-list, #route-list { display: grid; gap: .8rem; }
#services:focus { outline: none; }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; overflow: hidden; }
.card > header { display: flex; flex-wrap: wrap; align-items: center; gap: .35rem .7rem; padding: .6rem 1rem; }
.card h3 { font-size: 1rem; } .card > header .total { margin-left: auto; color: var(--soft); font-size: .86rem; }
.scroll { overflow-x: auto; border-top: 1px solid var(--edge); }
table { border-collapse: collapse; width: 100%; min-width: 56rem; table-layout: fixed; }
th { text-align: left; font-weight: 500; font-size: .78rem; color: var(--soft); padding: .4rem .6rem; }
td { padding: .42rem .6rem; border-top: 1px solid var(--faint); font-variant-numeric: tabular-nums; vertical-align: middle; }
th:first-child, td:first-child { padding-left: 1rem; } th:last-child, td:last-child { padding-right: 1rem; }
.n { text-align: right; white-space: nowrap; }
.w-url { width: 25%; } .w-state { width: 20%; } .w-load { width: 15%; }
td .mono { overflow-wrap: anywhere; } .sub { color: var(--soft); font-size: .78rem; overflow-wrap: anywhere; }
tr[data-tone=bad] td:first-child { box-shadow: inset 3px 0 var(--red); }
tr[data-tone=warn] td:first-child { box-shadow: inset 3px 0 var(--amber); }
.n[data-tone=bad] { color: var(--red); font-weight: 600; }
.meter { display: block; width: 100%; height: 5px; margin-top: 3px; }
.meter rect { fill: var(--faint); } .meter .full { fill: var(--sea); }
.chip { font-family: var(--mono); font-size: .78rem; padding: .08rem .45rem; border: 1px solid var(--edge); border-radius: 6px;
  background: var(--faint); white-space: nowrap; }

.route > summary, .heads { display: grid; gap: .2rem .9rem; align-items: center; padding: .5rem 1rem;
  grid-template-columns: 1rem minmax(7rem, 1.1fr) minmax(12rem, 2.2fr) minmax(6rem, 1fr) repeat(3, 5.5rem); }
.route > summary { cursor: pointer; list-style: none; border-top: 1px solid var(--faint); }
.route > summary::-webkit-details-marker { display: none; }
.route > summary:hover { background: var(--faint); }
.route > summary::before { content: "▸"; color: var(--soft); } .route[open] > summary::before { content: "▾"; }
.heads { font-size: .78rem; color: var(--soft); } .heads::before { content: ""; }
.route .name { font-weight: 600; overflow-wrap: anywhere; } .route .match { overflow-wrap: anywhere; }
.detail { padding: .3rem 1rem .9rem 2.9rem; display: grid; gap: .45rem; }
.detail p { color: var(--soft); font-size: .86rem; }
.hooks { display: grid; gap: .35rem; list-style: none; }
.hooks > li { display: flex; flex-wrap: wrap; gap: .3rem .45rem; align-items: baseline; }
.hooks .hook { width: 6rem; color: var(--soft); font-size: .86rem; }
.hooks ol { display: flex; flex-wrap: wrap; gap: .3rem; list-style: none; }
.hooks ol li + li::before { content: "→"; color: var(--soft); margin-right: .3rem; }
footer { display: flex; flex-wrap: wrap; gap: .4rem 1.5rem; justify-content: space-between; color: var(--soft); font-size: .84rem;
  padding: 0 clamp(1rem, 3vw, 2.5rem) 1.5rem; max-width: 1500px; margin: 0 auto; }
footer nav { display: flex; gap: .9rem; }
@media (max-width: 760px) {
  .facts { margin-left: 0; } .bar { position: static; }
  .heads { display: none; }
  .tiles { grid-template-columns: 1fr 1fr; gap: .7rem; } .figure { font-size: 1.4rem; } .figure small { display: block; }
  .route > summary { grid-template-columns: 1rem auto auto 1fr; }
  .route .name, .route .match, .route .to { grid-column: 2 / -1; } .route .n { font-size: .86rem; text-align: left; }
  .route .to { color: var(--soft); } .route .to::before { content: "→ "; }
  .route .n:nth-of-type(4) { grid-column: 2; }
  .detail { padding-left: 1rem; }
}
@media (prefers-reduced-motion: no-preference) { .meter .full { transition: width .4s; } }
`
