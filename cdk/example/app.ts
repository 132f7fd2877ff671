/**
 * A VPC, an EKS cluster without the VPC CNI, Cilium, and two node groups whose pod addresses enid manages.
 *
 *   npm run build
 *   cd cdk/example && npx cdk deploy -c adminArn=arn:aws:iam::ACCOUNT:role/NAME -c adminCidrs=203.0.113.7/32
 */
import { App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import type { IConstruct } from "constructs";
import { ACKNOWLEDGED } from "./acknowledged.ts";
import { ExampleStack } from "./example-stack.ts";

const app = new App();
const [adminCidrs, adminArn] = ["adminCidrs", "adminArn"].map((key): string | undefined => app.node.tryGetContext(key));
const stack = new ExampleStack(app, "EnidExample", {
  artifact: String(app.node.getContext("artifact")),
  adminCidrs: adminCidrs?.split(","),
  adminArn,
});
Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { verbose: true }));
for (const [path, acknowledged] of Object.entries(ACKNOWLEDGED)) {
  const construct = path.split("/").reduce<IConstruct>((at, id) => at.node.findChild(id), stack);
  Validations.of(construct).acknowledge(...acknowledged);
}
