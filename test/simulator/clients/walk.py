"""Walks through the actions of the simulated cloud with boto3; prints what it saw as JSON. Usage: walk.py URL SUBNET INSTANCE"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, subnet, instance = sys.argv[1:4]
config = Config(retries={"max_attempts": 1}, user_agent_extra="enid-test")
ec2 = boto3.client("ec2", endpoint_url=endpoint, region_name="eu-west-1", config=config)
sts = boto3.client("sts", endpoint_url=endpoint, region_name="eu-west-1", config=config)
seen = {"arn": sts.get_caller_identity()["Arn"]}


def code(call, **parameters):
    try:
        call(**parameters)
        return "none"
    except ClientError as error:
        return "%s %d" % (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])


made = ec2.create_network_interface(
    SubnetId=subnet,
    Description="by boto3",
    SecondaryPrivateIpAddressCount=2,
    TagSpecifications=[{"ResourceType": "network-interface", "Tags": [{"Key": "by", "Value": "boto3"}]}],
)["NetworkInterface"]
eni = made["NetworkInterfaceId"]
seen["created"] = [made["Status"], len(made["PrivateIpAddresses"]), made["TagSet"]]

attachment = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)["AttachmentId"]
ec2.modify_network_interface_attribute(
    NetworkInterfaceId=eni, Attachment={"AttachmentId": attachment, "DeleteOnTermination": True}
)
assigned = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=3)
addresses = [one["PrivateIpAddress"] for one in assigned["AssignedPrivateIpAddresses"]]
seen["assigned"] = len(addresses)
prefixes = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, Ipv4PrefixCount=1)["AssignedIpv4Prefixes"]
ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=addresses[:1])
ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, Ipv4Prefixes=[one["Ipv4Prefix"] for one in prefixes])

reserved = ec2.create_subnet_cidr_reservation(SubnetId=subnet, Cidr="10.0.0.240/29", ReservationType="explicit")
reservations = ec2.get_subnet_cidr_reservations(SubnetId=subnet)["SubnetIpv4CidrReservations"]
target = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
moving = {"NetworkInterfaceId": target, "PrivateIpAddresses": [addresses[1]]}
refused = code(ec2.assign_private_ip_addresses, **moving)
moved = ec2.assign_private_ip_addresses(AllowReassignment=True, **moving)["AssignedPrivateIpAddresses"]
by_address = [{"Name": "addresses.private-ip-address", "Values": [addresses[1]]}]
holders = [one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces(Filters=by_address)["NetworkInterfaces"]]
seen["moved"] = [
    [one["ReservationType"] for one in reservations],
    refused,
    moved == [{"PrivateIpAddress": addresses[1]}],
    holders == [target],
]
ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=[addresses[1]], AllowReassignment=True)
ec2.delete_network_interface(NetworkInterfaceId=target)
reservation = reserved["SubnetCidrReservation"]["SubnetCidrReservationId"]
ec2.delete_subnet_cidr_reservation(SubnetCidrReservationId=reservation)

found = ec2.describe_network_interfaces(Filters=[{"Name": "tag:by", "Values": ["boto?"]}])["NetworkInterfaces"][0]
seen["described"] = [
    found["Status"],
    found["Attachment"]["DeleteOnTermination"],
    found["Attachment"]["AttachTime"].year > 2000,
    len(found["PrivateIpAddresses"]),
]
pages = ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig={"PageSize": 5})
seen["paginated"] = sum(len(page["NetworkInterfaces"]) for page in pages)
seen["instance"] = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["InstanceType"]
seen["type"] = ec2.describe_instance_types(InstanceTypes=["m5.large"])["InstanceTypes"][0]["NetworkInfo"]
seen["subnet"] = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["CidrBlock"]
seen["vpcs"] = len(ec2.describe_vpcs()["Vpcs"])
seen["groups"] = len(ec2.describe_security_groups()["SecurityGroups"])
seen["tables"] = len(ec2.describe_route_tables()["RouteTables"])
ec2.create_tags(Resources=[eni], Tags=[{"Key": "more", "Value": "tags"}])
ec2.delete_tags(Resources=[eni], Tags=[{"Key": "by"}])
tags = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [eni]}])["Tags"]
seen["tags"] = [[tag["Key"], tag["Value"]] for tag in tags]
seen["errors"] = [
    code(ec2.delete_network_interface, NetworkInterfaceId=eni),
    code(ec2.describe_subnets, SubnetIds=["subnet-0000000000000ffff"]),
    code(ec2.delete_network_interface, NetworkInterfaceId=eni, DryRun=True),
    code(sts.assume_role, RoleArn="arn:aws:iam::1:role/short-account", RoleSessionName="session"),
]
ec2.detach_network_interface(AttachmentId=attachment)
waiter = ec2.get_waiter("network_interface_available")
waiter.wait(NetworkInterfaceIds=[eni], WaiterConfig={"Delay": 1, "MaxAttempts": 5})
ec2.delete_network_interface(NetworkInterfaceId=eni)
role = sts.assume_role(RoleArn="arn:aws:iam::111122223333:role/other", RoleSessionName="session")
seen["role"] = role["AssumedRoleUser"]["Arn"]
print(json.dumps(seen))
