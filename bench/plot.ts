// Plots as SVG, drawn by vega with neither a browser nor a canvas. They stand in Markdown that is read on a light and on
// a dark page, hence the white ground.
import { parse, type Spec, View } from 'vega'

/** Okabe and Ito's: told apart by those who see fewer colours too. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#000000', '#999999']
const WIDTH = 760
const HEIGHT = 260

export interface Axis {
  /** With its unit. */
  readonly title: string
  /** Default linear. */
  readonly scale?: 'linear' | 'log'
  /** Default: from 0, or on a logarithmic axis from the least there is. */
  readonly min?: number
  /** What is above is cut off. Default: all of it is shown. */
  readonly max?: number
}

export interface Series {
  readonly name: string
  /** x and y; without a y, the line is interrupted. */
  readonly points: readonly (readonly [number, number | undefined])[]
}

export interface LineChart {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
  /** From one x to another something is the case: an outage. */
  readonly bands?: readonly { readonly from: number; readonly to: number; readonly label: string }[]
  /** A y that something is held against: a capacity. */
  readonly lines?: readonly { readonly at: number; readonly label: string }[]
}

export interface BarChart {
  readonly title: string
  readonly y: Axis
  /** What stands beside each other, each with a bar of every group. */
  readonly bars: readonly {
    readonly name: string
    readonly values: readonly { readonly group: string; readonly value: number }[]
  }[]
}

/** @returns the SVG's text, the same of the same chart */
export async function lineChart({ title, x, y, series, bands = [], lines = [] }: LineChart): Promise<string> {
  const points = series.flatMap(({ name, points }) =>
    points.map(([at, value]) => ({ series: name, x: at, y: value ?? null }))
  )
  return draw({
    ...frame(title),
    data: [
      { name: 'points', values: points },
      { name: 'bands', values: [...bands] },
      { name: 'lines', values: [...lines] }
    ],
    scales: [
      {
        name: 'x',
        type: 'linear',
        domain: { data: 'points', field: 'x' },
        range: 'width',
        nice: false,
        zero: true
      },
      valueScale(y, [...points.flatMap(({ y }) => y ?? []), ...lines.map(({ at }) => at)]),
      { name: 'colour', type: 'ordinal', domain: series.map(({ name }) => name), range: COLOURS }
    ],
    axes: [axis('bottom', 'x', x), axis('left', 'y', y)],
    legends: [
      legend(
        'stroke',
        series.map(({ name }) => name)
      )
    ],
    marks: [
      {
        type: 'rect',
        from: { data: 'bands' },
        encode: {
          enter: {
            x: { scale: 'x', field: 'from' },
            x2: { scale: 'x', field: 'to' },
            y: { value: 0 },
            y2: { value: HEIGHT },
            fill: { value: '#eeeeee' }
          }
        }
      },
      {
        type: 'text',
        from: { data: 'bands' },
        encode: {
          enter: {
            x: { scale: 'x', signal: '(datum.from + datum.to) / 2' },
            y: { value: -6 },
            align: { value: 'center' },
            text: { field: 'label' },
            fill: { value: '#555555' }
          }
        }
      },
      {
        type: 'rule',
        from: { data: 'lines' },
        encode: {
          enter: {
            x: { value: 0 },
            x2: { value: WIDTH },
            y: { scale: 'y', field: 'at' },
            stroke: { value: '#777777' },
            strokeDash: { value: [4, 3] }
          }
        }
      },
      {
        type: 'text',
        from: { data: 'lines' },
        encode: {
          enter: {
            x: { value: WIDTH - 4 },
            y: { scale: 'y', field: 'at', offset: -4 },
            align: { value: 'right' },
            text: { field: 'label' },
            fill: { value: '#555555' }
          }
        }
      },
      {
        type: 'group',
        from: { facet: { name: 'line', data: 'points', groupby: 'series' } },
        encode: { enter: { width: { value: WIDTH }, height: { value: HEIGHT }, clip: { value: true } } },
        marks: [
          {
            type: 'line',
            from: { data: 'line' },
            encode: {
              enter: {
                x: { scale: 'x', field: 'x' },
                y: { scale: 'y', field: 'y' },
                stroke: { scale: 'colour', field: 'series' },
                strokeWidth: { value: 2 },
                defined: { signal: 'isValid(datum.y)' }
              }
            }
          }
        ]
      }
    ]
  })
}

/** @returns as lineChart */
export async function barChart({ title, y, bars }: BarChart): Promise<string> {
  const values = bars.flatMap(({ name, values }) =>
    values.map(({ group, value }) => ({ bar: name, group, value }))
  )
  const groups = [...new Set(values.map(({ group }) => group))]
  return draw({
    ...frame(title),
    data: [{ name: 'values', values }],
    scales: [
      {
        name: 'x',
        type: 'band',
        domain: bars.map(({ name }) => name),
        range: 'width',
        padding: 0.2
      },
      valueScale(
        y,
        values.map(({ value }) => value)
      ),
      {
        name: 'colour',
        type: 'ordinal',
        domain: groups,
        range: COLOURS
      }
    ],
    axes: [
      { orient: 'bottom', scale: 'x', ticks: false, labelPadding: 6, labelFontSize: 10 },
      axis('left', 'y', y)
    ],
    legends: [legend('fill', groups)],
    marks: [
      {
        type: 'group',
        from: { facet: { name: 'bar', data: 'values', groupby: 'bar' } },
        encode: { enter: { x: { scale: 'x', field: 'bar' }, width: { scale: 'x', band: 1 } } },
        signals: [{ name: 'room', update: "bandwidth('x')" }],
        scales: [
          {
            name: 'at',
            type: 'band',
            domain: { data: 'bar', field: 'group' },
            range: [0, { signal: 'room' }]
          }
        ],
        marks: [
          {
            type: 'rect',
            from: { data: 'bar' },
            encode: {
              enter: {
                x: { scale: 'at', field: 'group' },
                width: { scale: 'at', band: 1 },
                y: { scale: 'y', field: 'value' },
                y2: { value: HEIGHT },
                fill: { scale: 'colour', field: 'group' }
              }
            }
          },
          {
            type: 'text',
            from: { data: 'bar' },
            encode: {
              enter: {
                x: { scale: 'at', field: 'group', band: 0.5 },
                y: { scale: 'y', field: 'value', offset: -4 },
                align: { value: 'center' },
                fontSize: { value: 10 },
                fill: { value: '#333333' },
                text: { signal: "format(datum.value, datum.value < 10 ? '.2~r' : '.0f')" }
              }
            }
          }
        ]
      }
    ]
  } as Spec)
}

function frame(title: string): Spec {
  return {
    background: 'white',
    width: WIDTH,
    height: HEIGHT,
    padding: 12,
    title: { text: title, anchor: 'start', offset: 24, fontSize: 14 },
    config: {
      axis: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal', gridColor: '#e4e4e4' },
      text: { fontSize: 11 },
      legend: { labelFontSize: 12, orient: 'bottom', labelLimit: 400 }
    }
  }
}

type Scale = NonNullable<Spec['scales']>[number]

/** @param values all that is shown: a logarithmic axis ends a little above the largest */
function valueScale({ scale = 'linear', min, max }: Axis, values: readonly number[]): Scale {
  const log = scale === 'log'
  const least = min ?? (log ? Math.min(...values) : Math.min(0, ...values))
  const most = max ?? Math.max(...values) * (log ? 1.3 : 1)
  return {
    name: 'y',
    type: scale,
    domain: [least, most],
    range: 'height',
    nice: !log && max === undefined,
    zero: false,
    clamp: max !== undefined
  } as Scale
}

type AxisSpec = NonNullable<Spec['axes']>[number]

function axis(orient: 'bottom' | 'left', scale: string, { title, scale: kind }: Axis): AxisSpec {
  return {
    orient,
    scale,
    title,
    grid: orient === 'left',
    tickCount: kind === 'log' ? 5 : 8,
    titlePadding: 8,
    format: kind === 'log' ? '~s' : ',~f'
  }
}

type LegendSpec = NonNullable<Spec['legends']>[number]

/** Characters of all names that fit into one row; more are set in columns. */
const ROW = 75
const COLUMNS = 3

function legend(channel: 'fill' | 'stroke', names: readonly string[]): LegendSpec {
  const long = names.join('').length + 6 * names.length > ROW
  const columns = long ? Math.min(COLUMNS, names.length) : names.length
  const shared = { direction: 'horizontal', columns } as const
  return channel === 'fill'
    ? { ...shared, fill: 'colour', symbolType: 'square' }
    : { ...shared, stroke: 'colour', symbolType: 'stroke', symbolStrokeWidth: 3 }
}

async function draw(spec: Spec): Promise<string> {
  const view = new View(parse(spec), { renderer: 'none' })
  try {
    return `${tidied(await view.toSVG())}\n`
  } finally {
    view.finalize()
  }
}

/** Vega numbers clip paths through all plots of a process, and writes sixteen digits where a tenth of a pixel will do. */
function tidied(svg: string): string {
  const clips = new Map<string, string>()
  return svg
    .replaceAll(/\bclip\d+\b/g, (id) => {
      let name = clips.get(id)
      if (name === undefined) clips.set(id, (name = `clip${clips.size + 1}`))
      return name
    })
    .replaceAll(/-?\d+\.\d{2,}/g, (number) => String(Math.round(Number(number) * 10) / 10))
}
