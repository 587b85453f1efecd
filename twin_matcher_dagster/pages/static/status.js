// The id and the code of a link come in its fragment, which is sent to nobody; they leave the address
// bar and the browser's history at once.
() => {
  const given = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return [given.get("id") || "", given.get("code") || ""];
}
