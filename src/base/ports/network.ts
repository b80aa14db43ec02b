/** Why a connection ended, as far as this side can tell. */
export type CloseReason =
  /** The other side closed or reset an established connection. */
  | { readonly by: 'remote'; readonly code: 'end' | 'reset' }
  /** This side called `close` or `destroy`. */
  | { readonly by: 'local' }
  /** It was never established. */
  | { readonly by: 'connect'; readonly code: 'refused' | 'timeout' | 'unreachable'; readonly message: string }
  /** Anything else that the operating system reported. */
  | { readonly by: 'error'; readonly message: string };

/** What the owner of a connection is told. Every callback comes in a turn of its own, never from inside a call. */
export interface ConnectionHandler {
  /** An outgoing connection is established. Not called for accepted ones: they are open when handed over. */
  onOpen?(): void;
  /** Some bytes came. They belong to the receiver, who may keep views into them, or give them back by `release`. */
  onData(bytes: Uint8Array): void;
  /** What was buffered has been handed to the operating system; `write` may go on. */
  onDrain?(): void;
  /** The last call. */
  onClose(reason: CloseReason): void;
}

/** A reliable ordered stream of bytes in both directions. */
export interface Connection {
  /** host:port of the other side, for messages to people. */
  readonly remoteAddress: string;
  /** Bytes accepted by `write` and not yet handed to the operating system. */
  readonly bufferedBytes: number;
  /**
   * Sends the chunks in order, in one operation where possible. The chunks must not be changed afterwards.
   * @returns false when more than the high-water mark (1 MiB) is buffered: wait for `onDrain`. After the end of the
   * connection a write does nothing.
   */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Gives back what `onData` handed over, whole: nobody refers into it any more, and its memory goes at once. */
  release(bytes: Uint8Array): void;
  /** Sends what is buffered, then ends the connection. */
  close(): void;
  /** Ends the connection at once with a reset. */
  destroy(): void;
}

export interface Listener {
  /** The port in use: the operating system's choice where 0 was asked for. */
  readonly port: number;
  /** Stops accepting; connections stay. */
  close(): void;
}

export interface ListenRequest {
  readonly host: string;
  readonly port: number;
  /** Takes a new connection and returns who is told about it. */
  readonly onConnection: (connection: Connection) => ConnectionHandler;
  readonly onListening: (listener: Listener) => void;
  /** Could not listen (`code` as the operating system names it: EADDRINUSE, EACCES ...). */
  readonly onError: (error: Error & { code?: string }) => void;
}

export interface ConnectRequest {
  readonly host: string;
  readonly port: number;
  /** Gives up with `{by: 'connect', code: 'timeout'}` after this long. */
  readonly timeoutMs: number;
  readonly handler: ConnectionHandler;
}

/** The way to other processes: TCP in a real node, a simulated net in a test. */
export interface Network {
  listen(request: ListenRequest): void;
  connect(request: ConnectRequest): Connection;
}
