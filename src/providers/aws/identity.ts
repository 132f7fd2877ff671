import { type Identity, readIdentity } from "./metadata.ts";
import { MetadataClient } from "./metadata-client.ts";
import { type AwsProviderOptions, DEFAULT_LIMITS } from "./options.ts";

/**
 * Who this node is, asked of metadata once, without a provider.
 *
 * @throws EnidError ENID_METADATA_UNREACHABLE, ENID_METADATA_INCOMPLETE.
 */
export async function nodeIdentity(options: AwsProviderOptions): Promise<Identity> {
  const { clock, random, telemetry, environment } = options;
  const world = { clock, random, telemetry, limits: { ...DEFAULT_LIMITS, ...options.limits } };
  const endpoint =
    options.metadataEndpoint ?? (environment.AWS_EC2_METADATA_SERVICE_ENDPOINT || "http://169.254.169.254");
  const metadata = new MetadataClient(world, endpoint, (options.direct ?? options.transport)?.metadata);
  try {
    return await readIdentity(metadata);
  } finally {
    metadata.close();
  }
}
