// Fetches all responses as a file and says how far it is. Without a script the links do the same and say nothing.
const box = document.querySelector(".export");
const wrong = document.querySelector("#export-wrong");
const bar = box.querySelector("progress");
let underway;

// Reads frames: responses so far and bytes that follow, four bytes each, then those bytes. All bits set: that was all.
const read = async (reply, told) => {
  const reader = reply.body.getReader();
  const parts = [];
  let head = new Uint8Array(8);
  let filled = 0;
  let left = 0;
  let ended = false;
  for (;;) {
    const { value, done: over } = await reader.read();
    if (over) break;
    for (let at = 0; at < value.length; ) {
      if (left) {
        const taken = value.subarray(at, at + left);
        parts.push(taken);
        left -= taken.length;
        at += taken.length;
        continue;
      }
      const taken = value.subarray(at, at + 8 - filled);
      head.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled < 8) continue;
      const view = new DataView(head.buffer);
      filled = 0;
      ended = view.getUint32(4) == 0xffffffff;
      if (ended) break;
      left = view.getUint32(4);
      told(view.getUint32(0));
    }
  }
  if (!ended) throw new Error("broke off");
  return parts;
};

const save = (parts, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

const fetchAll = async (link) => {
  underway = new AbortController();
  wrong.hidden = true;
  bar.removeAttribute("value");
  box.hidden = false;
  try {
    const address = new URL(link.href);
    address.searchParams.set("framed", "");
    const reply = await fetch(address, { signal: underway.signal });
    if (!reply.ok || !reply.headers.has("X-Rows")) throw new Error(reply.status);
    const all = Number(reply.headers.get("X-Rows"));
    bar.max = all || 1;
    const parts = await read(reply, (count) => {
      bar.value = count;
      bar.textContent = `${count} of ${all}`;
    });
    const name = /filename="([^"]+)"/.exec(reply.headers.get("Content-Disposition"));
    save(parts, name ? name[1] : link.download);
  } catch {
    wrong.hidden = underway.signal.aborted;
  } finally {
    underway = undefined;
    box.hidden = true;
  }
};

for (const link of document.querySelectorAll("a[data-export]"))
  link.addEventListener("click", (event) => {
    event.preventDefault();
    if (!underway) fetchAll(link);
  });
box.querySelector("button").addEventListener("click", () => underway?.abort());
