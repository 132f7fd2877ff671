/** The Kubernetes API as a model: the server's part, the port to it within the process, and its front by HTTP. */
export { DirectKubernetesApi, type DirectOptions, type Way } from "./direct.ts";
export { type FrontOptions, type KubernetesFront, serveKubernetes } from "./http.ts";
export { KubernetesModel, type ModelOptions } from "./model.ts";
