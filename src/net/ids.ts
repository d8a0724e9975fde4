declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** One bound local socket of an engine: a listener or a relayed port. Chosen by whoever asks for the socket, unique in a process. */
export type SocketId = Branded<'SocketId'>;
/** One connection. Chosen by the engine when it was accepted, by the service when it was asked for; unique in a process. */
export type StreamId = Branded<'StreamId'>;
/** One installed flow. Chosen by the service that installs it, unique in a process. */
export type FlowId = Branded<'FlowId'>;
/** One token bucket that flows may share. Chosen by the service, unique in a process. */
export type BucketId = Branded<'BucketId'>;

/** Hands out numbers that never repeat, for every kind of id in a process. */
export class IdSource {
  #last = 0;

  socket(): SocketId {
    return ++this.#last as SocketId;
  }

  stream(): StreamId {
    return ++this.#last as StreamId;
  }

  flow(): FlowId {
    return ++this.#last as FlowId;
  }

  bucket(): BucketId {
    return ++this.#last as BucketId;
  }
}
