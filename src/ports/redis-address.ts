/** Where a Redis is, and how to be let in. Handed from whoever started or configured it to whoever talks to it. */
export interface RedisAddress {
  readonly at:
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: boolean }
    | { readonly kind: 'socket'; readonly path: string };
  readonly username?: string | undefined;
  /** Never logged; the composition root hands it to the log's redaction. */
  readonly password?: string | undefined;
  readonly database?: number | undefined;
}
