import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** uPlot as it is written into the page. In the bundle scripts/build.ts puts the three texts in the place of this file. */
const locate = createRequire(import.meta.url);
const read = (name: string) => readFileSync(locate.resolve(`uplot/${name}`), "utf8").trim();

export const PLOT_SCRIPT: string = read("dist/uPlot.iife.min.js");
export const PLOT_STYLE: string = read("dist/uPlot.min.css");
export const PLOT_LICENSE: string = read("LICENSE");
