import { CfnResource, Stack, Tags, Token } from "aws-cdk-lib";
import {
  CfnRoute,
  CfnRouteTable,
  CfnSubnet,
  CfnSubnetRouteTableAssociation,
  CfnVPCCidrBlock,
  type ISubnet,
  type IVpc,
  Subnet,
  type SubnetSelection,
  SubnetType,
} from "aws-cdk-lib/aws-ec2";
import { Construct } from "constructs";
import { layOut, type PodSubnetLayout, type PodSubnetReservation } from "./pod-subnet-layout.ts";
import { type ReservationsBy, reserve } from "./pod-subnet-reservations.ts";
import { EnidPropsError } from "./props-error.ts";

/** A subnet for pods, where it is to be just so. */
export interface PodSubnetSpec {
  /** Zone, e.g. "eu-central-1a", or one of `vpc.availabilityZones`. */
  readonly zone: string;
  /** IPv4 range in one of `secondaryCidrs`, /16 to /28. */
  readonly cidr: string;
  /** Ranges of it that EC2 assigns nothing else from. @default none */
  readonly reservations?: readonly PodSubnetReservation[];
}

/** Props of EnidPodSubnets. */
export interface EnidPodSubnetsProps {
  /** The VPC of the nodes, made by the app or imported. */
  readonly vpc: IVpc;
  /** Secondary IPv4 ranges of the VPC, /16 to /28 each, e.g. `["100.64.0.0/16"]`. */
  readonly secondaryCidrs: readonly string[];
  /** Whether the ranges are added to the VPC; false where they are its already. @default true */
  readonly associate?: boolean;
  /** The subnets. @default one in each zone from each secondary range, as large as they all can be */
  readonly subnets?: readonly PodSubnetSpec[];
  /** Zones of the default subnets. @default those of the VPC */
  readonly zones?: readonly string[];
  /** Half of each default subnet is reserved for /28 prefixes, so that single addresses do not fragment it (`prefix-delegation`). @default false */
  readonly reserveForPrefixes?: boolean;
  /** Who makes the reservations. CloudFormation has the type AWS::EC2::SubnetCidrReservation in some Regions only; elsewhere a function calls EC2. @default "cloudformation" */
  readonly reservationsBy?: ReservationsBy;
  /** Tags by which enid finds the subnets (`eni.subnet-tags`). @default `{ "enid.io/pods": "true" }` */
  readonly subnetTags?: Readonly<Record<string, string>>;
  /** Subnets of the VPC whose route tables the pods' subnets of the same zone use. @default private subnets with a way out */
  readonly routesOf?: SubnetSelection;
  /** NAT gateways by zone: each zone then gets a route table of its own, with its default route there. @default none */
  readonly natGatewayIds?: Readonly<Record<string, string>>;
  /** Route tables by zone, made elsewhere. @default none */
  readonly routeTableIds?: Readonly<Record<string, string>>;
}

/** Subnets for pods in secondary ranges of a VPC, tagged so that enid finds them and nothing else uses them. */
export class EnidPodSubnets extends Construct {
  readonly vpc: IVpc;
  /** For `eni.subnet-tags`. */
  readonly subnetTags: Readonly<Record<string, string>>;
  /** Ids, for `eni.subnet-ids` and the policy of the nodes. */
  readonly subnetIds: readonly string[];
  readonly subnets: readonly ISubnet[];
  /** Zones with a subnet for pods, each once. */
  readonly zones: readonly string[];
  readonly cfnCidrBlocks: readonly CfnVPCCidrBlock[];
  readonly cfnSubnets: readonly CfnSubnet[];
  /** The reservations: AWS::EC2::SubnetCidrReservation, or custom resources with `reservationsBy` `function`. */
  readonly cfnReservations: readonly CfnResource[];
  /** Route tables that this construct made (`natGatewayIds`), by zone. */
  readonly cfnRouteTables: ReadonlyMap<string, CfnRouteTable>;

  constructor(scope: Construct, id: string, props: EnidPodSubnetsProps) {
    super(scope, id);
    this.vpc = props.vpc;
    this.subnetTags = props.subnetTags ?? { "enid.io/pods": "true" };
    if (Object.keys(this.subnetTags).length === 0) {
      throw new EnidPropsError(this, "subnetTags is empty: enid would take any subnet of the zone for pods");
    }
    const layout = layOut(this, props);
    this.cfnCidrBlocks =
      props.associate === false
        ? []
        : props.secondaryCidrs.map(
            (cidrBlock, at) => new CfnVPCCidrBlock(this, `Cidr${at + 1}`, { vpcId: this.vpc.vpcId, cidrBlock }),
          );
    this.zones = [...new Set(layout.map(({ zone }) => zone))];
    const routeTables = this.#routeTables(props);
    this.cfnRouteTables = routeTables.made;
    this.cfnSubnets = layout.map((one, at) => this.#subnet(one, at));
    this.subnetIds = this.cfnSubnets.map((subnet) => subnet.attrSubnetId);
    const reservations: CfnResource[] = [];
    const by = props.reservationsBy ?? "cloudformation";
    this.subnets = layout.map((one, at) => {
      const subnetId = this.subnetIds[at] ?? "";
      const routeTableId = routeTables.of(one.zone);
      new CfnSubnetRouteTableAssociation(this, `Routes${at + 1}`, { subnetId, routeTableId });
      for (const reservation of one.reservations) {
        reservations.push(reserve(this, `Reservation${reservations.length + 1}`, reservation, { subnetId, by }));
      }
      const attributes = { subnetId, availabilityZone: one.zone, ipv4CidrBlock: one.cidr, routeTableId };
      return Subnet.fromSubnetAttributes(this, `Imported${at + 1}`, attributes);
    });
    this.cfnReservations = reservations;
  }

  #subnet({ zone, cidr }: PodSubnetLayout, at: number): CfnSubnet {
    const subnet = new CfnSubnet(this, `Subnet${at + 1}`, {
      vpcId: this.vpc.vpcId,
      availabilityZone: zone,
      cidrBlock: cidr,
      mapPublicIpOnLaunch: false,
    });
    Tags.of(subnet).add("Name", `${Stack.of(this).stackName}/${this.node.id}${at + 1}`);
    for (const [key, value] of Object.entries(this.subnetTags)) Tags.of(subnet).add(key, value);
    // EC2 refuses a subnet of a range that the VPC does not have yet.
    subnet.node.addDependency(...this.cfnCidrBlocks);
    return subnet;
  }

  #routeTables(props: EnidPodSubnetsProps): {
    readonly made: ReadonlyMap<string, CfnRouteTable>;
    readonly of: (zone: string) => string;
  } {
    const { natGatewayIds, routeTableIds, routesOf } = props;
    const given = [natGatewayIds, routeTableIds, routesOf].filter((one) => one !== undefined);
    if (given.length > 1) {
      throw new EnidPropsError(
        this,
        "give one of routesOf, natGatewayIds and routeTableIds: a subnet has one route table",
      );
    }
    const made = new Map<string, CfnRouteTable>();
    if (routeTableIds !== undefined) return { made, of: (zone) => this.#ofZone(routeTableIds, zone, "routeTableIds") };
    if (natGatewayIds !== undefined) {
      this.zones.forEach((zone, at) => {
        const table = new CfnRouteTable(this, `RouteTable${at + 1}`, { vpcId: this.vpc.vpcId });
        Tags.of(table).add("Name", `${Stack.of(this).stackName}/${this.node.id}`);
        new CfnRoute(this, `DefaultRoute${at + 1}`, {
          routeTableId: table.attrRouteTableId,
          destinationCidrBlock: "0.0.0.0/0",
          natGatewayId: this.#ofZone(natGatewayIds, zone, "natGatewayIds"),
        });
        made.set(zone, table);
      });
      return { made, of: (zone) => made.get(zone)?.attrRouteTableId ?? "" };
    }
    const { subnets } = this.vpc.selectSubnets(routesOf ?? { subnetType: SubnetType.PRIVATE_WITH_EGRESS });
    const byZone = Object.fromEntries(
      subnets.toReversed().map(({ availabilityZone, routeTable }) => [availabilityZone, routeTable.routeTableId]),
    );
    return { made, of: (zone) => this.#ofZone(byZone, zone, "the subnets that routesOf selects") };
  }

  #ofZone(ids: Readonly<Record<string, string>>, zone: string, where: string): string {
    const id = ids[zone];
    if (id !== undefined) return id;
    const zones = Object.keys(ids).map((one) => (Token.isUnresolved(one) ? "a zone known later" : one));
    throw new EnidPropsError(
      this,
      `${where} have nothing for zone ${Token.isUnresolved(zone) ? "known later" : zone}; there is ${zones.join(", ") || "none"}`,
    );
  }
}

/** What must be there before nodes take addresses from the subnets. */
export function resourcesOf(subnets: EnidPodSubnets): CfnResource[] {
  return subnets.node.findAll().filter((one): one is CfnResource => CfnResource.isCfnResource(one));
}
