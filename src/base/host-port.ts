/** Where a process listens. */
export interface HostPort {
  readonly host: string;
  /** 0 asks the operating system for one; nobody can be reached there. */
  readonly port: number;
}

/** Reads `host:port`; IPv6 hosts stand in brackets. @returns null where it is neither. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  if (port > 65_535) return null;
  return { host: match[1] ?? match[2] ?? '', port };
}

/** The reverse of `parseHostPort`. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
