/** The simulated cloud: EC2, STS and instance metadata for development and tests. docs/simulator.md is its manual. */
export { formatEnvironment, type RunningSimulator, type SimulatorOptions, startSimulator } from "./http/start.ts";
export { loadModel } from "./input/validate.ts";
export type { Result } from "./model/action.ts";
export type { Answer } from "./model/answer.ts";
export type { CallCount, LoggedCall } from "./model/call-log.ts";
export { type CallContext, SimulatedCloud, type SimulatedCloudOptions } from "./model/cloud.ts";
export type {
  InstanceDescription,
  InterfaceDescription,
  ModelDescription,
  RouteTableDescription,
  SecurityGroupDescription,
  SubnetDescription,
  VpcDescription,
} from "./model/description.ts";
export type { ActiveFault, FaultEffect, FaultRule } from "./model/faults.ts";
export type { MetadataRequest } from "./model/metadata/service.ts";
export type { Parameters } from "./model/parameters.ts";
export type { Instance, NetworkInterface, Subnet } from "./model/records.ts";
export type { Bucket, Settings, SettingsPatch, Span } from "./model/settings.ts";
export { SimulatedError } from "./model/simulated-error.ts";
export type { Truth, TruthOfSubnet } from "./model/truth.ts";
export { createFront, type Front, type FrontRequest } from "./query/front.ts";
