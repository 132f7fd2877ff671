import type { Configuration, Place, StatedFacts } from "./types.ts";

/** What instance metadata says about the node. */
export interface ActualFacts {
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly primarySubnetId: string;
  readonly instanceId: string;
  readonly instanceType: string;
}

/** A fact that the file states differently from instance metadata, which wins. */
export interface FactDifference {
  readonly name: keyof StatedFacts;
  readonly stated: string;
  readonly actual: string;
  readonly place: Place;
}

export function compareFacts(configuration: Configuration | undefined, actual: ActualFacts): FactDifference[] {
  const actualByName: Record<keyof StatedFacts, string> = {
    "vpc-id": actual.vpcId,
    "availability-zone": actual.availabilityZone,
    "node-subnet-id": actual.primarySubnetId,
    "instance-id": actual.instanceId,
    "instance-type": actual.instanceType,
  };
  return (Object.keys(actualByName) as (keyof StatedFacts)[]).flatMap((name) => {
    const stated = configuration?.facts[name];
    const place = configuration?.factPlaces[name];
    if (stated === undefined || place === undefined || stated === actualByName[name]) return [];
    return [{ name, stated, actual: actualByName[name], place }];
  });
}
