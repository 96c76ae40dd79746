/** The status of a GET, or `undefined` if the browser keeps the response from the page. */
export async function statusOf(url: string): Promise<number | undefined> {
  return fetch(url).then(
    ({ status }) => status,
    () => undefined,
  );
}
