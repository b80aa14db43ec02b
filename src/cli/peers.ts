import { isNodeId } from '../base/units.ts';
import { parseHostPort } from '../base/host-port.ts';
import { usageError } from './cli-error.ts';

/** Reads `n1=host:port,n2=host:port`. @throws CliError that names the bad part. */
export function parsePeers(text: string, flag = 'peers'): { id: string; address: string }[] {
  const next = 'write them as n1=127.0.0.1:7101,n2=127.0.0.1:7102,n3=127.0.0.1:7103';
  return text.split(',').map((part) => {
    const [id, address, ...rest] = part.trim().split('=');
    if (id === undefined || address === undefined || rest.length > 0) {
      throw usageError(`--${flag}: ${JSON.stringify(part)} is not ID=HOST:PORT`, next);
    }
    if (!isNodeId(id)) throw usageError(`--${flag}: ${JSON.stringify(id)} is no node id`, next);
    // Port 0 would be any: nobody could find this node there.
    if ((parseHostPort(address)?.port ?? 0) === 0)
      throw usageError(`--${flag}: ${JSON.stringify(address)} is not HOST:PORT`, next);
    return { id, address };
  });
}
