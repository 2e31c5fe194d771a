const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Output as it stands in JSON: text where the bytes are UTF-8, otherwise base64. */
export function eventText(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: decoder.decode(bytes) };
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
}
