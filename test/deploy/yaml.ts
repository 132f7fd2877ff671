import { spawnSync } from "node:child_process";
import { readSource } from "../house/source-files.ts";

/** A mapping that says a key twice is an error here; most readers of YAML take the last and say nothing. */
const TO_JSON = `
import json, sys, yaml

class Strict(yaml.SafeLoader):
    pass

def mapping(loader, node):
    keys = [key.value for key, _ in node.value if key.value != "<<"]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.YAMLError(f"{key} is there twice, line {node.start_mark.line + 1}")
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))

Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
json.dump(yaml.load(sys.stdin.read(), Strict), sys.stdout)
`;

/** A YAML file of the repository as JSON has it, anchors and merges resolved. By the system's python3-yaml. */
export function readYaml(path: string): unknown {
  return parseYaml(readSource(path));
}

export function parseYaml(text: string): unknown {
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", ["-c", TO_JSON], {
    input: text,
    encoding: "utf8",
    timeout: 20_000,
  });
  if (status !== 0) throw new Error(`python3-yaml cannot read it: ${stderr.trim().split("\n").at(-1)}`);
  return JSON.parse(stdout);
}
