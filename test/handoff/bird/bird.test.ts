import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/adapters/index.ts";
import { Bird, eventually } from "../../support/bird.ts";
import { QUICK, TestBird, testFolder } from "./helpers.ts";

/** enid beside a real BIRD without neighbours: the file, the configuration, and everything that can be wrong with them. */

const folder = testFolder();
let number = 0;
let own: string;
let file: string;
let bird: Bird;
let enid: TestBird;

const HEAD = "log stderr all;\nrouter id 10.0.0.1;\nprotocol device { scan time 10; }\n";
const include = (path: string) => `include "${path.replace(/enid([^/]*)$/, "[e]nid$1")}";\n`;
const at = (address: string) => [{ address, interfaceId: "" }];

beforeEach(() => {
  own = join(folder, String(number++));
  mkdirSync(own);
  file = join(own, "enid.conf");
  bird = new Bird({ folder: own, configuration: `${HEAD}${include(file)}` });
  // No session is waited for: there is no neighbour.
  enid = new TestBird(
    { asn: 65_001, includeFile: file, controlSocket: bird.socket },
    { ...QUICK, sessionsGraceMs: 3_600_000, readyMs: 1_000 },
  );
});

afterEach(async () => {
  bird.freeze(false);
  await enid.reach.stop();
  await bird.stop();
});

const routes = async () => Object.keys(await bird.routes("master4"));
const text = () => readFileSync(file, "utf8");
const reconfigured = () => bird.log.match(/Reconfigured/g)?.length ?? 0;
const untilConfigured = (times: number) =>
  eventually(`${times} times configured`, () => enid.count("bird-configured") === times);

describe("the file for BIRD", () => {
  it("is written for everybody to read, without a trace of the writing, and BIRD reads it", async () => {
    await bird.start();
    enid.become(["10.1.0.0/24"]);
    enid.start();
    await untilConfigured(1);
    expect(await routes()).toEqual(["10.1.0.0/24"]);
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(readdirSync(own).filter((name) => name.includes("enid"))).toEqual(["enid.conf"]);
    expect(enid.reach.report()).toMatchObject({ announced: ["10.1.0.0/24"], sessions: [] });
  });

  it("becomes one configuration for changes that come together, and none for what changes nothing", async () => {
    await bird.start();
    enid.start();
    await untilConfigured(1);
    const addresses: string[] = [];
    for (let last = 1; last <= 100; last++) {
      addresses.push(`10.9.0.${last}`);
      enid.become(["10.1.0.0/24"], addresses);
    }
    await Promise.all(addresses.map((address) => enid.reach.ready(at(address))));
    expect(await routes()).toHaveLength(101);
    const times = reconfigured();
    expect(times).toBeLessThanOrEqual(3);
    const { checkedAtMs } = enid.reach.report();
    for (let again = 0; again < 3; again++) enid.become(["10.1.0.0/24"], addresses);
    await eventually("it has looked again", () => enid.reach.report().checkedAtMs > checkedAtMs);
    expect(reconfigured()).toBe(times);
  });

  it("is never written over when somebody else wrote it; trouble says so until it is gone", async () => {
    writeFileSync(file, "protocol static mine { ipv4; }\n");
    await bird.start();
    enid.become(["10.1.0.0/24"]);
    enid.start();
    const trouble = await eventually("trouble", () => enid.reach.trouble());
    expect(trouble.code).toBe("ENID_BIRD");
    expect(trouble.message).toContain(`${file} was not written by enid and is left alone`);
    expect(text()).toBe("protocol static mine { ipv4; }\n");
    // Its pods can run: nothing says that their range is not announced by other means.
    await enid.reach.ready(at("10.1.0.5"));
    rmSync(file);
    await untilConfigured(1);
    expect(enid.reach.trouble()).toBeUndefined();
    expect(enid.told).toBe(2);
  });

  it("is left alone when it is a link, whatever it leads to", async () => {
    writeFileSync(join(own, "elsewhere"), "");
    symlinkSync(join(own, "elsewhere"), file);
    enid.start();
    await eventually("trouble", () => enid.reach.trouble());
    expect(enid.reach.trouble()?.message).toContain("was not written by enid");
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(own, "elsewhere"), "utf8")).toBe("");
  });

  it("cannot be written: trouble names the file, and it is written once that is mended", async () => {
    const away = join(own, "not", "there", "enid.conf");
    enid.become(["10.1.0.0/24"], [], { ...enid.picture.bgp, includeFile: away });
    await bird.start();
    enid.start();
    await eventually("trouble", () => enid.reach.trouble());
    expect(enid.reach.trouble()?.message).toContain(`its file ${away} cannot be written: ENOENT`);
    mkdirSync(join(own, "not", "there"), { recursive: true });
    await bird.configure(`${HEAD}${include(away)}`);
    await eventually("it is over", () => enid.reach.trouble() === undefined);
    expect(await routes()).toEqual(["10.1.0.0/24"]);
  });

  it("is mended when it is changed or removed by hand, and BIRD follows", async () => {
    await bird.start();
    enid.become(["10.1.0.0/24"]);
    enid.start();
    await untilConfigured(1);
    const right = text();
    writeFileSync(file, right.replace("10.1.0.0/24", "10.66.0.0/24"));
    await bird.birdc("configure");
    await untilConfigured(2);
    expect(text()).toBe(right);
    expect(await routes()).toEqual(["10.1.0.0/24"]);
    rmSync(file);
    await untilConfigured(3);
    expect(text()).toBe(right);
    expect(enid.events.filter(({ name }) => name === "bird-file-changed").map(({ message }) => message)).toEqual([
      `somebody changed ${file}; it is written again`,
      `somebody removed ${file}; it is written again`,
    ]);
  });

  it("moves when the setting does: the former one announces nothing any more", async () => {
    const next = join(own, "enid-next.conf");
    await bird.configure(`${HEAD}${include(file)}${include(next)}`).catch(() => "not running");
    await bird.start();
    enid.become(["10.1.0.0/24"]);
    enid.start();
    await untilConfigured(1);
    enid.become(["10.2.0.0/24"], [], { ...enid.picture.bgp, includeFile: next });
    await untilConfigured(2);
    expect(await routes()).toEqual(["10.2.0.0/24"]);
    expect(text()).toContain("nothing is announced");
  });
});

describe("BIRD", () => {
  it("is away at the start: the file is written, trouble says so, and BIRD reads it when it comes", async () => {
    enid.become(["10.1.0.0/24"]);
    enid.start();
    const trouble = await eventually("trouble", () => enid.reach.trouble());
    expect(trouble.message).toContain(`BIRD does not answer on ${bird.socket}: ENOENT`);
    expect(trouble.entry.cni).toBe(11);
    expect(text()).toContain("10.1.0.0/24");
    await bird.start();
    await eventually("it is over", () => enid.reach.trouble() === undefined);
    expect(await routes()).toEqual(["10.1.0.0/24"]);
    // It had read the file by itself.
    expect(enid.count("bird-configured")).toBe(0);
  });

  it("is away: an ADD inside of a range is answered, one outside fails in time and succeeds once BIRD is there", async () => {
    enid.become(["10.1.0.0/24"], ["10.1.0.5", "10.9.0.1"]);
    enid.start();
    await enid.reach.ready(at("10.1.0.5"));
    await expect(enid.reach.ready(at("10.9.0.1"))).rejects.toMatchObject({ code: "ENID_BIRD" });
    const again = enid.reach.ready(at("10.9.0.1"));
    await bird.start();
    await again;
    expect(await routes()).toEqual(expect.arrayContaining(["10.9.0.1/32"]));
  });

  it("refuses its configuration: trouble has its words and it keeps what it has, until the configuration is mended", async () => {
    await bird.start();
    enid.become(["10.1.0.0/24"]);
    enid.start();
    await untilConfigured(1);
    writeFileSync(bird.configurationFile, `${HEAD}protocol nonsense;\n${include(file)}`);
    enid.become(["10.2.0.0/24"]);
    const trouble = await eventually("trouble", () => enid.reach.trouble());
    expect(trouble.message).toMatch(/it refuses its configuration: .*bird\.conf:4:10 syntax error/);
    expect(await routes()).toEqual(["10.1.0.0/24"]);
    writeFileSync(bird.configurationFile, `${HEAD}${include(file)}`);
    await eventually("it is over", () => enid.reach.trouble() === undefined);
    expect(await routes()).toEqual(["10.2.0.0/24"]);
  });

  it("does not include the file: trouble says so, and an ADD outside of the ranges fails", async () => {
    await bird.configure(HEAD).catch(() => "not running");
    await bird.start();
    enid.become(["10.1.0.0/24"], ["10.9.0.1"]);
    enid.start();
    const trouble = await eventually("trouble", () => enid.reach.trouble());
    expect(trouble.message).toContain(`it knows no protocol of enid's: its configuration does not include ${file}`);
    await expect(enid.reach.ready(at("10.9.0.1"))).rejects.toMatchObject({ code: "ENID_BIRD" });
  });

  it("is configured after a crash between file and configuration", async () => {
    await bird.start();
    const crashed = new TestBird({ ...enid.picture.bgp, controlSocket: "/nonexistent" });
    crashed.become(["10.1.0.0/24"]);
    crashed.start();
    await eventually("the file is there", () => crashed.reach.trouble() !== undefined);
    await crashed.reach.stop();
    expect(await routes()).toEqual([]);
    enid.become(["10.1.0.0/24"]);
    enid.start();
    await untilConfigured(1);
    expect(await routes()).toEqual(["10.1.0.0/24"]);
  });

  it("hangs: what waits fails in time, and goes on when it does", async () => {
    await bird.start();
    enid.become(["10.1.0.0/24"]);
    enid.start();
    await untilConfigured(1);
    bird.freeze(true);
    enid.become(["10.1.0.0/24"], ["10.9.0.1"]);
    await expect(enid.reach.ready(at("10.9.0.1"))).rejects.toMatchObject({ code: "ENID_BIRD" });
    bird.freeze(false);
    await enid.reach.ready(at("10.9.0.1"));
  });

  it("hangs while enid stops: that waits for nothing, and nothing is said of sessions", async () => {
    // No limit of a conversation comes to help.
    const after: typeof systemClock.after = (ms, call) => (ms < 5_000 ? systemClock.after(ms, call) : () => {});
    const patient = new TestBird(enid.picture.bgp, QUICK, { clock: { ...systemClock, after } });
    await bird.start();
    bird.freeze(true);
    patient.become(["10.1.0.0/24"]);
    patient.start();
    await eventually("the file is there", () => existsSync(file));
    await patient.reach.stop();
    expect(patient.reach.trouble()).toBeUndefined();
    expect(patient.events).toEqual([]);
  });

  it("was to announce something in an earlier life and asn is 0 now: it is taken back once", async () => {
    await bird.start();
    enid.become(["10.1.0.0/24"]);
    enid.start();
    await untilConfigured(1);
    await enid.reach.stop();
    const next = new TestBird({ ...enid.picture.bgp, asn: 0 });
    next.start();
    await eventually("it is taken back", () => next.count("bird-withdrawn") === 1);
    expect(await routes()).toEqual([]);
    next.become(["10.1.0.0/24"], ["10.9.0.1"]);
    await next.reach.ready(at("10.9.0.1"));
    await next.reach.stop();
    expect(next.reach.report()).toMatchObject({ announced: [], configuredAtMs: 0 });
    expect(next.count("bird-withdrawn")).toBe(1);
  });

  it("announces what another daemon of the machine says: one without asn on trial beside it takes nothing back", async () => {
    await bird.start();
    enid.become(["10.1.0.0/24"]);
    enid.start();
    await untilConfigured(1);
    const trial = new TestBird({ ...enid.picture.bgp, asn: 0 }, QUICK, { owner: join(own, "trial") });
    trial.start();
    await eventually("it has looked", () => trial.looks > 0);
    await trial.reach.stop();
    expect(trial.events).toEqual([]);
    expect(await routes()).toEqual(["10.1.0.0/24"]);
    expect(text()).toContain("# Its daemon has the state /var/lib/enid\n");
  });

  it("is no business of enid's while asn is 0: no file, no trouble", async () => {
    enid.become(["10.1.0.0/24"], ["10.9.0.1"], { ...enid.picture.bgp, asn: 0 });
    enid.start();
    await enid.reach.ready(at("10.9.0.1"));
    await enid.reach.stop();
    expect(readdirSync(own)).toEqual(["bird.conf"]);
    expect(enid.reach.trouble()).toBeUndefined();
    expect(enid.events).toEqual([]);
  });

  it("goes on announcing what the daemon before said while a new one has nothing yet", async () => {
    await bird.start();
    enid.become(["10.1.0.0/24"]);
    enid.start();
    await untilConfigured(1);
    await enid.reach.stop();
    const before = bird.log;
    const next = new TestBird(enid.picture.bgp, { ...QUICK, settleMs: 3_600_000 });
    next.start();
    await eventually("it has looked at the node", () => next.looks > 0);
    next.become([]);
    await eventually("and again", () => next.looks > 1);
    next.become(["10.1.0.0/24"]);
    await eventually("it knows what BIRD has", () => next.reach.report().checkedAtMs > 0);
    expect(bird.log).toBe(before);
    next.become([]);
    await eventually("later it may have nothing", () => next.count("bird-configured") === 1);
    expect(await routes()).toEqual([]);
    await next.reach.stop();
  });

  it("is left with what it announces when enid stops, and what waits is told", async () => {
    enid.become([], ["10.9.0.1"]);
    enid.start();
    const waiting = expect(enid.reach.ready(at("10.9.0.1"))).rejects.toMatchObject({ code: "ENID_BIRD" });
    await enid.reach.stop();
    await waiting;
  });
});
