import { breach, breachesAtRest, leftovers, unrest } from "./promises/index.ts";
import type { World } from "./world.ts";

/** After the last fault every waiting pod has its address and nothing is open within this time. */
const REST_LIMIT_MS = 40 * 60_000;
/** From one look to the next. */
const LOOK_MS = 10_000;
/** Then nothing may change any more but what is looked at again and again. */
const QUIET_MS = 10 * 60_000;
/** Leftovers are swept once they are an hour old and were seen twice, by looks that are an hour apart, half an hour more or less. */
const SWEEP_LIMIT_MS = 5 * 3_600_000;

/** Peace: faults end, pods stay as they are, and the world has to come to rest within a bound (promise 10). */
export async function comeToRest(world: World, endFaults: () => void): Promise<void> {
  const { scheduler, machines, cloud } = world;
  endFaults();
  world.log("peace", "the faults end, pods neither come nor go");
  const isOver = () => world.violations.length > 0;
  const endMs = scheduler.nowMs() + REST_LIMIT_MS;
  const isTaken = (what: string) => world.watch.isTainted(what);
  let open: readonly string[] = ["nothing was looked at"];
  while (!isOver() && open.length > 0 && scheduler.nowMs() < endMs) {
    await scheduler.run(Math.min(endMs, scheduler.nowMs() + LOOK_MS), isOver);
    open = machines.flatMap((machine) => unrest(cloud, machine, isTaken).map((text) => `${machine.name}: ${text}`));
    open = [...open, ...(world.fleet?.unrest() ?? [])];
  }
  if (isOver()) return;
  if (open.length > 0) {
    const minutes = REST_LIMIT_MS / 60_000;
    world.broken("", breach(10, `${minutes} min after the last fault: ${open.slice(0, 5).join("; ")}`));
    return;
  }
  world.log("peace", "everything is at rest");
  await scheduler.run(scheduler.nowMs() + QUIET_MS, isOver);
  if (isOver()) return;
  for (const machine of machines) for (const one of breachesAtRest(machine)) world.broken(machine.name, one);
  for (const one of world.fleet?.watch.breachesAtRest() ?? []) world.broken("", one);
  await sweep(world);
}

/** Nothing that dead instances left stays past the sweep (promise 5). */
async function sweep(world: World): Promise<void> {
  const { scheduler, machines, cloud } = world;
  // How old a leftover is goes by the wall clock of its sweeper.
  if (machines.some(({ wallWasSet }) => wallWasSet)) return;
  const isSwept = () => world.violations.length > 0 || leftovers(cloud, machines).length === 0;
  if (!isSwept()) await scheduler.run(scheduler.nowMs() + SWEEP_LIMIT_MS, isSwept);
  if (world.violations.length > 0) return;
  for (const text of leftovers(cloud, machines)) {
    world.broken("", breach(5, `${text} is still there ${SWEEP_LIMIT_MS / 3_600_000} h later`));
  }
}
