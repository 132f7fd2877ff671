/**
 * Debian's docker-compose 1.29 renders the files in tests. Three keys of theirs are of Compose v2 alone, and are left out for it:
 * the project's name (COMPOSE_PROJECT_NAME is as good), the cgroup namespace, and that no folder is made for a missing file.
 */
export function asComposeOneReadsIt(text: string): string {
  return text
    .replace(/^name: .*\n/m, "")
    .replace(/^ {4}cgroup: host\n/gm, "")
    .replaceAll(", bind: { create_host_path: false }", "")
    .replace(/^ *pull_policy: build\n/gm, "");
}
