// Round-trip times over time. Colours are those of the page, in light and in dark.

import uPlot from "uplot";

import { state } from "./store.ts";

const height = 150;

let chart: uPlot | null = null;
let observer: ResizeObserver | null = null;

const data = (): uPlot.AlignedData => [
  state.samples.map(({ at }) => at / 1_000),
  state.samples.map(({ ms }) => ms),
];

const colour = (name: string) => () =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const axis = (size: number, unit: string): uPlot.Axis => ({
  stroke: colour("--pico-muted-color"),
  grid: { stroke: colour("--pico-muted-border-color"), width: 1 },
  ticks: { show: false },
  size,
  ...(unit && { values: (_, values) => values.map((value) => `${value} ${unit}`) }),
});

/** Puts the chart into an element that has just come, or takes it from one that has gone. */
export function mountChart(element?: Element) {
  observer?.disconnect();
  chart?.destroy();
  chart = null;
  if (!(element instanceof HTMLElement)) return;
  const options: uPlot.Options = {
    width: element.clientWidth || 300,
    height,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.1, 10)] } },
    axes: [axis(45, ""), axis(60, "ms")],
    series: [{}, { stroke: colour("--pico-primary"), width: 2, points: { show: true, size: 4 } }],
  };
  const made = new uPlot(options, data(), element);
  chart = made;
  observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
  observer.observe(element);
}

export const drawChart = () => chart?.setData(data());

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart?.redraw());
