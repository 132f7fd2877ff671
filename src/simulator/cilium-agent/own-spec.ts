import { EnidError } from "../../errors.ts";
import { CILIUM_NODES, type KubernetesApi, type KubernetesObject } from "../../handoff/cilium-node/api.ts";
import type { Dialect } from "../../handoff/cilium-node/port.ts";
import type { Lifetime } from "./lifetime.ts";
import { fieldsOf } from "./node-view.ts";
import type { AgentRecord } from "./record.ts";
import type { AgentConfiguration, AgentOptions } from "./types.ts";

export interface OwnSpecOptions extends Pick<AgentOptions, "nodeName" | "nodeUid" | "configuration"> {
  readonly api: KubernetesApi;
  readonly lifetime: Lifetime;
  readonly dialect: Dialect;
  readonly record: AgentRecord;
}

type Fields = Readonly<Record<string, unknown>>;

/** Between two tries. */
const PAUSE_MS = 500;
/** Then the agent ends with an error and is started again. */
const TRIES = 10;
const RESTART_MS = 10_000;

/**
 * Makes the agent's CiliumNode, or writes over it what its own configuration says. Source: cilium/cilium,
 * pkg/nodediscovery: `spec.eni` is written as a whole, annotations, labels and owner references too; in crd mode the agent
 * has nothing to say of the instance. Ends when it is written, or with the process by Ended.
 */
export async function writeOwnSpec(options: OwnSpecOptions): Promise<void> {
  const { lifetime, record } = options;
  for (let tries = 1; ; tries++) {
    try {
      await writeOnce(options);
      record.writes += 1;
      record.say("writes what it is configured to");
      return;
    } catch (thrown) {
      if (lifetime.over || !(thrown instanceof EnidError)) throw thrown;
      if (thrown.code === "ENID_KUBERNETES_CONFLICT") record.conflicts += 1;
      record.say(`own configuration: ${thrown.code}`);
    }
    await lifetime.sleep(tries % TRIES === 0 ? RESTART_MS : PAUSE_MS);
  }
}

async function writeOnce({ api, nodeName, nodeUid, configuration, lifetime, dialect }: OwnSpecOptions): Promise<void> {
  const name = { name: nodeName };
  const there = await lifetime.of(api.get(CILIUM_NODES, name, lifetime.signal));
  const owner = { apiVersion: "v1", kind: "Node", name: nodeName };
  const ownerReferences = nodeUid === undefined ? [] : [{ ...owner, uid: nodeUid }];
  const spec = dialect === "crd" ? {} : specOf(configuration, there);
  if (there === undefined) {
    const made: KubernetesObject = {
      apiVersion: `${CILIUM_NODES.group}/${CILIUM_NODES.version}`,
      kind: CILIUM_NODES.kind,
      metadata: { name: nodeName, ...(ownerReferences.length === 0 ? {} : { ownerReferences }) },
      spec: withoutNulls(spec),
    };
    await lifetime.of(api.create(CILIUM_NODES, made, lifetime.signal));
    return;
  }
  const { resourceVersion, annotations, labels } = there.metadata;
  const metadata = {
    resourceVersion,
    ownerReferences: ownerReferences.length === 0 ? null : ownerReferences,
    annotations: annotations === undefined ? undefined : nulls(annotations),
    labels: labels === undefined ? undefined : nulls(labels),
  };
  const written = Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined));
  await lifetime.of(api.patch(CILIUM_NODES, name, { metadata: written, spec }, {}, lifetime.signal));
}

/** As a merge patch of what is there: what the configuration does not have goes. */
function specOf(
  { instanceId, eni, minAllocate, preAllocate, maxAllocate }: AgentConfiguration,
  there?: KubernetesObject,
): Fields {
  return {
    "instance-id": instanceId,
    eni: replacing(fieldsOf(fieldsOf(there?.spec).eni), eni),
    ipam: {
      "min-allocate": minAllocate || null,
      "pre-allocate": preAllocate || null,
      "max-allocate": maxAllocate || null,
    },
  };
}

/** The merge patch by which `from` becomes `to`. */
function replacing(from: Fields, to: Fields): Fields {
  const kept = Object.entries(to).map(([key, value]) => [
    key,
    isNested(value) ? replacing(fieldsOf(from[key]), value) : value,
  ]);
  return { ...nulls(from), ...Object.fromEntries(kept) };
}

function isNested(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nulls(fields: Fields): Fields {
  return Object.fromEntries(Object.keys(fields).map((key) => [key, null]));
}

function withoutNulls(fields: Fields): Fields {
  const entries = Object.entries(fields).filter(([, value]) => value !== null);
  return Object.fromEntries(entries.map(([key, value]) => [key, isNested(value) ? withoutNulls(value) : value]));
}
