/** The simulated cloud: EC2, STS and instance metadata for development and tests. docs/simulator.md is its manual. */
export { formatEnvironment, type RunningSimulator, type SimulatorOptions, startSimulator } from "./http/start.ts";
export {
  createInProcessTransport,
  type InProcessHandler,
  type InProcessOptions,
  type InProcessTransport,
} from "./in-process/transport.ts";
export { loadModel } from "./input/validate.ts";
export type { Result } from "./model/action.ts";
export type { Answer } from "./model/answer.ts";
export { bucketOf, publishedBucket } from "./model/buckets.ts";
export type { CallCount, LogExtent, LoggedCall } from "./model/call-log.ts";
export { type CallContext, SimulatedCloud, type SimulatedCloudOptions } from "./model/cloud.ts";
export type {
  AccountDescription,
  InstanceDescription,
  InterfaceDescription,
  LaunchedInterfaceDescription,
  ModelDescription,
  ReservationDescription,
  RouteTableDescription,
  SecurityGroupDescription,
  SubnetDescription,
  VpcDescription,
} from "./model/description.ts";
export { EC2_ERROR_CASES, type Ec2ErrorCase, messageOf } from "./model/ec2-errors.ts";
export type { ActiveFault, CallSettings, FaultEffect, FaultRule } from "./model/faults.ts";
export type { InterfacePatch } from "./model/foreign-hand.ts";
export type { MetadataRequest } from "./model/metadata/service.ts";
export type { MetadataView, MetadataViewPatch } from "./model/metadata/view.ts";
export type { Parameters } from "./model/parameters.ts";
export type { Instance, NetworkInterface, Reservation, Subnet } from "./model/records.ts";
export type { Bucket, Settings, SettingsPatch, Span } from "./model/settings.ts";
export { SimulatedError } from "./model/simulated-error.ts";
export type { Truth, TruthOfSubnet } from "./model/truth.ts";
export { asSimulated, createFront, type Front, type FrontRequest, NO_TEXT, proxyPage } from "./query/front.ts";
export { renderError, renderResult } from "./query/xml.ts";
