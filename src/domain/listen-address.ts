/** Where the service listens if no setting says otherwise. A file of its own: the health check loads no other settings. */
export const defaultListenAddress = { host: "127.0.0.1", port: "8080" } as const;
