export { EnidArtifact, type EnidArtifactProps, type ReleasePlatform } from "./artifact.ts";
export { ciliumChartVersion, ciliumValues, type HelmValue, type HelmValues, merged } from "./cilium-values.ts";
export type {
  ChainedPlugin,
  Conflist,
  EnidConfiguration,
  EniSection,
  FleetSection,
  IpamSection,
} from "./configuration.ts";
export { EnidFleetStore, type EnidFleetStoreProps } from "./fleet-store.ts";
export {
  type EnidCluster,
  EnidNodeGroup,
  type EnidNodeGroupProps,
  type NodeCapacity,
  type NodeTaint,
} from "./node-group.ts";
export type { PodSubnetReservation } from "./pod-subnet-layout.ts";
export type { ReservationsBy } from "./pod-subnet-reservations.ts";
export { EnidPodSubnets, type EnidPodSubnetsProps, type PodSubnetSpec } from "./pod-subnets.ts";
export { nodePolicy, type PolicyDocument, type PolicyScope, type PolicyStatement } from "./policy.ts";
export { EnidPropsError } from "./props-error.ts";
export type { OperatingSystem } from "./user-data.ts";
