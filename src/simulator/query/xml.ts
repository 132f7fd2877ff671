/** The answer side of the Query protocol: plain results to the XML of EC2 and of STS. */
import type { Result, ResultValue } from "../model/action.ts";
import type { SimulatedError } from "../model/simulated-error.ts";

export type Service = "ec2" | "sts";

export const EC2_VERSION = "2016-11-15";
export const STS_VERSION = "2011-06-15";

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

export function renderResult(service: Service, action: string, requestId: string, result: Result): string {
  if (service === "sts") {
    const body = `<${action}Result>${renderFields(result)}</${action}Result>`;
    const metadata = `<ResponseMetadata><RequestId>${escapeText(requestId)}</RequestId></ResponseMetadata>`;
    const namespace = `https://sts.amazonaws.com/doc/${STS_VERSION}/`;
    return `${DECLARATION}<${action}Response xmlns="${namespace}">${body}${metadata}</${action}Response>`;
  }
  const namespace = `http://ec2.amazonaws.com/doc/${EC2_VERSION}/`;
  const head = `<requestId>${escapeText(requestId)}</requestId>`;
  return `${DECLARATION}<${action}Response xmlns="${namespace}">${head}${renderFields(result)}</${action}Response>`;
}

export function renderError(service: Service, requestId: string, error: SimulatedError): string {
  const facts = `<Code>${escapeText(error.code)}</Code><Message>${escapeText(error.message)}</Message>`;
  const id = escapeText(requestId);
  if (service === "sts") {
    const side = error.httpStatus < 500 ? "Sender" : "Receiver";
    const namespace = `https://sts.amazonaws.com/doc/${STS_VERSION}/`;
    const body = `<Error><Type>${side}</Type>${facts}</Error><RequestId>${id}</RequestId>`;
    return `${DECLARATION}<ErrorResponse xmlns="${namespace}">${body}</ErrorResponse>`;
  }
  return `${DECLARATION}<Response><Errors><Error>${facts}</Error></Errors><RequestID>${id}</RequestID></Response>`;
}

function renderFields(fields: Result): string {
  return Object.entries(fields)
    .map(([name, value]) => renderElement(name, value))
    .join("");
}

/** Lists are `<xSet><item>…</item></xSet>`, an empty one `<xSet/>`; what is undefined is not there. */
function renderElement(name: string, value: ResultValue): string {
  if (value === undefined) return "";
  if (!Array.isArray(value) && typeof value !== "object") return `<${name}>${escapeText(String(value))}</${name}>`;
  const content = Array.isArray(value)
    ? value.map((item: Result | string) => renderElement("item", item)).join("")
    : renderFields(value as Result);
  return content === "" ? `<${name}/>` : `<${name}>${content}</${name}>`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** XML 1.0 has no place for most control characters; they become the replacement character. */
function escapeText(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character)
    .replace(/\r/g, "&#13;")
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD");
}
