/** The version of the protocol that both ends must speak. */
export const tunnelVersion = 1;
