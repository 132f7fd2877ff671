/**
 * What EC2 and STS answer when they refuse. Codes and texts follow the EC2 error reference
 * (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html) and texts seen in public reports; the
 * HTTP status follows the code: 400 unless listed here.
 */
const STATUS: Readonly<Record<string, number>> = {
  AuthFailure: 401,
  UnauthorizedOperation: 403,
  DryRunOperation: 412,
  InternalError: 500,
  InternalFailure: 500,
  InsufficientAddressCapacity: 500,
  RequestLimitExceeded: 503,
  ServiceUnavailable: 503,
  Unavailable: 503,
};

export function httpStatusOf(code: string): number {
  return (Object.hasOwn(STATUS, code) ? STATUS[code] : undefined) ?? 400;
}

/** A refusal of the simulated cloud. It never leaves the simulator as an exception: the front renders it. */
export class SimulatedError extends Error {
  readonly code: string;
  readonly httpStatus: number;

  constructor(code: string, message: string, httpStatus = httpStatusOf(code)) {
    // Millions of calls are throttled in a large simulation; where in the model nobody asks, and to find out costs most.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = limit;
    this.name = "SimulatedError";
    this.code = code;
    this.httpStatus = httpStatus;
  }
}

export function invalidValue(message: string): SimulatedError {
  return new SimulatedError("InvalidParameterValue", message);
}

export function invalidCombination(message: string): SimulatedError {
  return new SimulatedError("InvalidParameterCombination", message);
}

export function missingParameter(name: string): SimulatedError {
  return new SimulatedError("MissingParameter", `The request must contain the parameter ${name}`);
}
