import { formatHostPort, parseHostPort, type HostPort } from '../base/host-port.ts';
import { ArgumentError } from './errors.ts';

export type Endpoint = HostPort;

/** An address that somebody can be reached at. @returns null where it is none. */
export function parseEndpoint(text: string): Endpoint | null {
  const endpoint = parseHostPort(text);
  return endpoint === null || endpoint.port === 0 ? null : endpoint;
}

/** @param endpoints a list, or one text with commas. @throws ArgumentError that names the bad one. */
export function parseEndpoints(endpoints: string | readonly string[]): Endpoint[] {
  const texts = typeof endpoints === 'string' ? endpoints.split(',') : endpoints;
  const parsed = texts.map((text) => {
    const endpoint = parseEndpoint(text.trim());
    if (endpoint === null) throw new ArgumentError(`${JSON.stringify(text)} is no endpoint: write host:port`);
    return endpoint;
  });
  if (parsed.length === 0) throw new ArgumentError('no endpoint was given: write host:port,host:port');
  return parsed;
}

export { formatHostPort as formatEndpoint };
