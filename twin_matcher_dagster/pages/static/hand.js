// What the ways to hand something in share; before each of their scripts. A file goes into the memory
// of the page's server, and is asked about by its token.
async function handOver(path, body) {
  const address = new URL(path, document.baseURI);
  const headers = { "Content-Type": "application/octet-stream" };
  const answer = await fetch(address, { method: "POST", body, headers });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}
// fetch itself throws a TypeError where nobody is there; its words are the browser's.
const why = (error, dropped) => (error instanceof TypeError ? dropped : error.message);
