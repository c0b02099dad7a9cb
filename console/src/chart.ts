// The chart of round-trip times. It uses the page's colours, in light and dark mode.

import uPlot from "uplot";

import { state } from "./store.ts";
import { clockTime } from "./views/time.ts";

const height = 150;

let chart: uPlot | null = null;
let observer: ResizeObserver | null = null;

const data = (): uPlot.AlignedData => [
  state.samples.map(({ at }) => at / 1_000),
  state.samples.map(({ ms }) => ms),
];

const colour = (name: string) => () =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const axis = (more: uPlot.Axis): uPlot.Axis => ({
  stroke: colour("--pico-muted-color"),
  grid: { stroke: colour("--pico-muted-border-color"), width: 1 },
  ticks: { show: false },
  ...more,
});

const seconds: uPlot.Axis = {
  size: 30,
  space: 90,
  incrs: [1, 5, 10, 30, 60, 300],
  values: (_, values) => values.map((value) => clockTime(value * 1_000)),
};

/** The label at 0 is omitted: the time axis starts there. */
const milliseconds: uPlot.Axis = {
  size: 60,
  values: (_, values) => values.map((value) => (value === 0 ? "" : `${value} ms`)),
};

/** Creates the chart in a newly rendered element, or destroys it if the element is gone. */
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
    axes: [axis(seconds), axis(milliseconds)],
    series: [{}, { stroke: colour("--pico-primary"), width: 2, points: { show: true, size: 4 } }],
  };
  const made = new uPlot(options, data(), element);
  chart = made;
  observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
  observer.observe(element);
}

export const drawChart = () => chart?.setData(data());

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart?.redraw());
