/**
 * What EC2 says when it refuses or fails: the codes that calls of network interfaces may meet, each with a text that
 * EC2 has been seen to give or that its error reference gives. A fault rule names a code and gets its text.
 * Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and the public threads named.
 */
export interface Ec2ErrorCase {
  readonly code: string;
  readonly message: string;
}

const INTERFACE = "eni-0123456789abcdef0";
const INSTANCE = "i-0123456789abcdef0";

/** Every code; one with several meanings has a line for each. */
export const EC2_ERROR_CASES: readonly Ec2ErrorCase[] = [
  { code: "InvalidNetworkInterfaceID.NotFound", message: `The networkInterface ID '${INTERFACE}' does not exist` },
  { code: "InvalidNetworkInterfaceId.Malformed", message: 'Invalid id: "eni-x" (expecting "eni-...")' },
  { code: "InvalidNetworkInterface.InUse", message: `Interface: [${INTERFACE}] in use.` },
  // aws/amazon-vpc-cni-k8s#1399
  { code: "InvalidParameterValue", message: `Network interface '${INTERFACE}' is currently in use.` },
  // cilium/cilium#8471
  {
    code: "InvalidParameterValue",
    message: `Instance '${INSTANCE}' already has an interface attached at device index '1'.`,
  },
  { code: "InvalidParameterValue", message: "[10.0.0.9] assigned, but move is not allowed." },
  { code: "InvalidParameterValue", message: "Address does not fall within the subnet's address range" },
  { code: "InvalidParameterValue", message: "Address is in subnet's reserved address range" },
  // hashicorp/terraform-provider-aws#23114
  { code: "InvalidParameterValue", message: "invalid value for parameter address: X" },
  {
    code: "InvalidParameterValue",
    message: `Some of the specified addresses are not assigned to interface ${INTERFACE}`,
  },
  // cilium/cilium#31016
  { code: "InvalidParameterValue", message: "There aren't sufficient free Ipv4 addresses or prefixes" },
  // aws/amazon-vpc-cni-k8s#40
  {
    code: "InsufficientFreeAddressesInSubnet",
    message: "The specified subnet does not have enough free addresses to satisfy the request.",
  },
  // aws/amazon-vpc-cni-k8s#1836
  {
    code: "InsufficientCidrBlocks",
    message: "The specified subnet does not have enough free cidr blocks to satisfy the request.",
  },
  // aws/amazon-vpc-cni-k8s#989
  { code: "PrivateIpAddressLimitExceeded", message: "Number of private addresses will exceed limit." },
  // cilium/cilium#8830
  { code: "AttachmentLimitExceeded", message: "Interface count 4 exceeds the limit for m5.large" },
  { code: "NetworkInterfaceLimitExceeded", message: "The maximum number of network interfaces 5000 is reached." },
  { code: "InvalidIPAddress.InUse", message: "The specified address is already in use." },
  { code: "Resource.AlreadyAssigned", message: "The address 10.0.0.9 is already assigned." },
  {
    code: "SecurityGroupsPerInterfaceLimitExceeded",
    message: "You have exceeded the number of security groups allowed per network interface.",
  },
  { code: "InvalidGroup.NotFound", message: "The security group 'sg-0123456789abcdef0' does not exist" },
  { code: "InvalidSecurityGroupID.NotFound", message: "The security group 'sg-0123456789abcdef0' does not exist" },
  { code: "InvalidGroupId.Malformed", message: 'Invalid id: "sg-x" (expecting "sg-...")' },
  { code: "InvalidSubnetID.NotFound", message: "The subnet ID 'subnet-0123456789abcdef0' does not exist" },
  { code: "InvalidVpcID.NotFound", message: "The vpc ID 'vpc-0123456789abcdef0' does not exist" },
  { code: "InvalidRouteTableID.NotFound", message: "The routeTable ID 'rtb-0123456789abcdef0' does not exist" },
  { code: "InvalidInstanceID.NotFound", message: `The instance ID '${INSTANCE}' does not exist` },
  {
    code: "InvalidInstanceType",
    message: "The following supplied instance types do not exist: [m5.enormous]",
  },
  { code: "InvalidAttachmentID.NotFound", message: "The attachment ID 'eni-attach-0123456789abcdef0' does not exist" },
  { code: "IncorrectState", message: `Instance '${INSTANCE}' is not 'running'` },
  // PaloAltoNetworks/terraform-aws-vmseries-modules#97
  {
    code: "IncorrectInstanceState",
    message: `The pending-instance-creation instance to which '${INTERFACE}' is attached is not in a valid state for this operation`,
  },
  { code: "OperationNotPermitted", message: "You are not allowed to manage 'ela-attach' attachments." },
  {
    code: "IdempotentParameterMismatch",
    message: "The request uses the same client token as a previous, but non-identical request.",
  },
  { code: "InvalidClientToken", message: "The client token is not valid." },
  { code: "InvalidParameterCombination", message: "The parameters cannot be used together." },
  { code: "MissingParameter", message: "The request must contain the parameter subnetId" },
  { code: "InvalidParameter", message: "A parameter specified in the request is not valid." },
  { code: "UnknownParameter", message: "The parameter Colour is not recognized" },
  { code: "MalformedQueryString", message: "The query string contains a syntax error" },
  { code: "UnauthorizedOperation", message: "You are not authorized to perform this operation." },
  { code: "AuthFailure", message: "AWS was not able to validate the provided access credentials" },
  { code: "RequestExpired", message: "Request has expired." },
  {
    code: "SignatureDoesNotMatch",
    message: "The request signature we calculated does not match the signature you provided.",
  },
  { code: "DryRunOperation", message: "Request would have succeeded, but DryRun flag is set." },
  // cloudfoundry/bosh-aws-cpi-release#61
  { code: "RequestLimitExceeded", message: "Request limit exceeded." },
  { code: "InternalError", message: "An internal error has occurred" },
  { code: "InternalFailure", message: "The request processing has failed because of an unknown error" },
  { code: "Unavailable", message: "The server is overloaded and can't handle the request." },
  { code: "ServiceUnavailable", message: "The request has failed due to a temporary failure of the server." },
  {
    code: "InsufficientAddressCapacity",
    message: "Insufficient capacity to satisfy your address request.",
  },
  { code: "FilterLimitExceeded", message: "The maximum length for a filter value list is 200" },
  { code: "TagLimitExceeded", message: "The maximum number of tags is 50 per resource" },
  { code: "ConcurrentTagAccess", message: "You can't run simultaneous commands to modify a tag for a resource." },
];

/** The text of that code, the first where it has several; undefined for an unknown code. */
export function messageOf(code: string): string | undefined {
  return EC2_ERROR_CASES.find((one) => one.code === code)?.message;
}
