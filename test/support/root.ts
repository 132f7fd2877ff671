import { describe } from "vitest";

const IS_ROOT = process.getuid?.() === 0;

/**
 * Tests in network namespaces, which only root can make. For an ordinary user they count as skipped, each by its name, and
 * scripts/test.ts says why; root (and so CI) never skips one.
 */
export function describeAsRoot(title: string, tests: () => void): void {
  describe.skipIf(!IS_ROOT)(`${title} (as root)`, tests);
}
