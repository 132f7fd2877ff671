import { Names, RemovalPolicy } from "aws-cdk-lib";
import {
  Connections,
  type IConnectable,
  type IVpc,
  Port,
  SecurityGroup,
  type SubnetSelection,
  SubnetType,
} from "aws-cdk-lib/aws-ec2";
import {
  CfnParameterGroup,
  CfnReplicationGroup,
  type CfnReplicationGroupProps,
  CfnSubnetGroup,
  CfnUser,
  CfnUserGroup,
} from "aws-cdk-lib/aws-elasticache";
import type { Grant, IGrantable } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { type ISecret, Secret } from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import { type FleetSection, makeConflist } from "./configuration.ts";
import { wholeNumber } from "./props-error.ts";
import { FLEET_COMMANDS } from "./store-rights.ts";

/** Releases of Valkey that ElastiCache has and enid is tested for, and their families of parameters. */
const FAMILIES = { "7.2": "valkey7", "8.0": "valkey8", "8.1": "valkey8" } as const;

/** Props of EnidFleetStore. */
export interface EnidFleetStoreProps {
  /** The VPC of the nodes. */
  readonly vpc: IVpc;
  /** Subnets of the servers, in as many zones as may be. @default private subnets with a way out */
  readonly subnets?: SubnetSelection;
  /** Name of the fleet (`fleet-name`): nodes of one name share everything. @default "default" */
  readonly fleetName?: string;
  /** Type of the servers. 64 MB of memory are enough for thousands of nodes. @default "cache.t4g.small" */
  readonly nodeType?: string;
  /** Replicas beside the primary server, 0 to 5, each in another zone where there are as many. @default 2 */
  readonly replicas?: number;
  /** Release of Valkey. @default "8.0" */
  readonly engineVersion?: keyof typeof FAMILIES;
  /** TCP port, 1 to 65535. @default 6380 */
  readonly port?: number;
  /** Replicas that must have a change of a fixed address before it counts (`redis-replica-acks`). @default 1 with two replicas or more, else 0 */
  readonly replicaAcks?: number;
  /** Password of the user `enid`, the secret's whole text or its key `password`. @default one that Secrets Manager draws */
  readonly password?: ISecret;
  /** Key of `password` that holds the password, where the secret is JSON. @default none: the whole text */
  readonly passwordField?: "password";
  /** File on the nodes that gets the password, mode 0600 (`redis-password-file`). @default "/etc/enid/redis.password" */
  readonly passwordFile?: string;
  /** Key for the data at rest and the drawn passwords. @default keys that AWS owns */
  readonly encryptionKey?: IKey;
  /** Days for which a daily snapshot is kept, 0 to 35. Fixed addresses and profiles are what would be missed. @default 7 */
  readonly snapshotDays?: number;
  /** What happens to the store when it leaves the stack. @default a last snapshot is made */
  readonly removalPolicy?: RemovalPolicy;
  /** Further or other properties of the replication group. @default none */
  readonly replicationGroup?: Partial<CfnReplicationGroupProps>;
}

/** ElastiCache for Valkey as the store of a fleet: TLS, encrypted at rest, one user with enid's rights, replicas in other zones. */
export class EnidFleetStore extends Construct implements IConnectable {
  /** `allowFrom` of it lets nodes in; EnidNodeGroup does that by itself. */
  readonly connections: Connections;
  /** The password of the user `enid`. */
  readonly password: ISecret;
  readonly passwordFile: string;
  readonly securityGroup: SecurityGroup;
  readonly cfnReplicationGroup: CfnReplicationGroup;
  readonly cfnParameterGroup: CfnParameterGroup;
  readonly cfnUser: CfnUser;
  readonly cfnUserGroup: CfnUserGroup;
  /** The section `fleet` of the nodes' configuration: the password by the name of its file. */
  readonly fleet: FleetSection;

  readonly #port: number;

  constructor(scope: Construct, id: string, props: EnidFleetStoreProps) {
    super(scope, id);
    const { vpc, fleetName = "default", replicas = 2, engineVersion = "8.0", encryptionKey } = props;
    this.#port = wholeNumber(this, "port", props.port ?? 6380, [1, 65_535]);
    wholeNumber(this, "replicas", replicas, [0, 5]);
    const replicaAcks = wholeNumber(this, "replicaAcks", props.replicaAcks ?? (replicas >= 2 ? 1 : 0), [0, replicas]);
    const snapshotDays = wholeNumber(this, "snapshotDays", props.snapshotDays ?? 7, [0, 35]);
    this.passwordFile = props.passwordFile ?? "/etc/enid/redis.password";

    this.securityGroup = new SecurityGroup(this, "SecurityGroup", {
      vpc,
      description: "Store of the fleet of enid",
      allowAllOutbound: false,
    });
    const defaultPort = Port.tcp(this.#port);
    this.connections = new Connections({ securityGroups: [this.securityGroup], defaultPort });

    this.password = props.password ?? this.#draw("Password", "enid: password of the nodes", encryptionKey);
    const field = props.passwordField;
    this.cfnUser = new CfnUser(this, "User", {
      engine: "valkey",
      userId: this.#name("enid"),
      userName: "enid",
      accessString: `on ~enid:${fleetName}:* -@all ${FLEET_COMMANDS.map((command) => `+${command}`).join(" ")}`,
      // A dynamic reference: CloudFormation reads the secret, and the template never holds it.
      passwords: [
        (field === undefined ? this.password.secretValue : this.password.secretValueFromJson(field)).unsafeUnwrap(),
      ],
    });
    // Every group needs a user "default" (AWS::ElastiCache::UserGroup); this one may not even log in.
    const noOne = new CfnUser(this, "DefaultUser", {
      engine: "valkey",
      userId: this.#name("default"),
      userName: "default",
      accessString: "off ~* -@all",
      passwords: [
        this.#draw("DefaultPassword", "enid: password of a user that is off", encryptionKey).secretValue.unsafeUnwrap(),
      ],
    });
    this.cfnUserGroup = new CfnUserGroup(this, "UserGroup", {
      engine: "valkey",
      userGroupId: this.#name("group"),
      userIds: [noOne.ref, this.cfnUser.ref],
    });

    this.cfnParameterGroup = new CfnParameterGroup(this, "Parameters", {
      cacheParameterGroupFamily: FAMILIES[engineVersion],
      description: "Store of the fleet of enid",
      // A store that throws keys away would forget fixed addresses.
      properties: { "maxmemory-policy": "noeviction" },
    });
    const selected = vpc.selectSubnets(props.subnets ?? { subnetType: SubnetType.PRIVATE_WITH_EGRESS });
    const subnetGroup = new CfnSubnetGroup(this, "Subnets", {
      description: "Store of the fleet of enid",
      subnetIds: selected.subnetIds,
    });
    this.cfnReplicationGroup = new CfnReplicationGroup(this, "Store", {
      replicationGroupDescription: "Store of the fleet of enid",
      engine: "valkey",
      engineVersion,
      cacheNodeType: props.nodeType ?? "cache.t4g.small",
      numCacheClusters: 1 + replicas,
      automaticFailoverEnabled: replicas > 0,
      multiAzEnabled: replicas > 0,
      port: this.#port,
      cacheSubnetGroupName: subnetGroup.ref,
      cacheParameterGroupName: this.cfnParameterGroup.ref,
      securityGroupIds: [this.securityGroup.securityGroupId],
      transitEncryptionEnabled: true,
      transitEncryptionMode: "required",
      atRestEncryptionEnabled: true,
      ...(encryptionKey === undefined ? {} : { kmsKeyId: encryptionKey.keyArn }),
      userGroupIds: [this.cfnUserGroup.ref],
      autoMinorVersionUpgrade: true,
      snapshotRetentionLimit: snapshotDays,
      ...props.replicationGroup,
    });
    this.cfnReplicationGroup.applyRemovalPolicy(props.removalPolicy ?? RemovalPolicy.SNAPSHOT);

    this.fleet = {
      "fleet-name": fleetName,
      redis: [`${this.cfnReplicationGroup.attrPrimaryEndPointAddress}:${this.#port}`],
      "redis-username": "enid",
      "redis-password-file": this.passwordFile,
      "redis-tls": true,
      "redis-replica-acks": replicaAcks,
    };
    // Judged here already: the name of the fleet is in the rights of the user, too.
    makeConflist(this, { fleet: this.fleet });
  }

  /** Lets the grantee read the password, and decrypt it: it is the role of nodes. */
  grantPassword(grantee: IGrantable): Grant {
    return this.password.grantRead(grantee);
  }

  /** ElastiCache knows users and groups by names that are unique in the account and Region: 40 characters, lower case. */
  #name(suffix: string): string {
    const unique = Names.uniqueResourceName(this, { maxLength: 30, separator: "-", allowedSpecialCharacters: "-" });
    return `${unique}-${suffix}`.toLowerCase().replace(/^[^a-z]+/, "e");
  }

  #draw(id: string, description: string, encryptionKey: IKey | undefined): ISecret {
    return new Secret(this, id, {
      description,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      ...(encryptionKey === undefined ? {} : { encryptionKey }),
    });
  }
}
