// Asks the browser for a passkey, and posts what it answers; every sentence stands in the page.
const form = document.querySelector("form[data-passkey]");
const AT_ONCE = 1000; // ms: refused sooner than anybody can press "Cancel"

const octets = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function decoded(options) {
  const listed = (all) => (all || []).map((one) => ({ ...one, id: octets(one.id) }));
  const found = { ...options, challenge: octets(options.challenge) };
  if (options.user) found.user = { ...options.user, id: octets(options.user.id) };
  if (options.excludeCredentials) found.excludeCredentials = listed(options.excludeCredentials);
  if (options.allowCredentials) found.allowCredentials = listed(options.allowCredentials);
  return found;
}

function encoded(credential) {
  const said = credential.response;
  const response = { clientDataJSON: base64url(said.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (said[name] && said[name].byteLength) response[name] = base64url(said[name]);
  }
  if (said.getTransports) response.transports = said.getTransports();
  return JSON.stringify({
    id: base64url(credential.rawId),
    rawId: base64url(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment || null,
    response,
  });
}

function say(name) {
  for (const one of document.querySelectorAll("[data-said]")) one.hidden = one.dataset.said !== name;
}

let pending = null; // what the browser offers where the user ID is typed, until it is asked outright

async function asked() {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch(form.dataset.question, {
    method: "POST",
    body: new URLSearchParams({ csrf: form.elements.csrf.value }),
  });
  if (!answer.ok) throw new Error("no question");
  return answer.json();
}

function post(credential) {
  const shared = document.getElementById("shared_computer");
  if (shared && shared.checked) form.elements.shared_computer.value = "1";
  form.elements.credential.value = encoded(credential);
  form.submit();
}

// A passkey chosen where the user ID is typed; asked anew before the question is too old.
async function offer() {
  const ready = PublicKeyCredential.isConditionalMediationAvailable;
  if (!ready || !(await ready.call(PublicKeyCredential))) return;
  try {
    const options = await asked();
    const mine = (pending = new AbortController());
    setTimeout(() => {
      if (pending !== mine) return;
      mine.abort();
      offer();
    }, options.timeout - 60000);
    const { signal } = mine;
    post(await navigator.credentials.get({ publicKey: decoded(options), mediation: "conditional", signal }));
  } catch {
    // Nothing was asked of anybody: the fields are there.
  }
}

async function ask(byItself) {
  const button = form.querySelector("button[data-start]");
  const began = performance.now();
  button.disabled = true;
  say("waiting");
  if (pending) pending.abort();
  pending = null;
  let timeout = Infinity;
  try {
    const options = await asked();
    timeout = options.timeout;
    post(await navigator.credentials[form.dataset.passkey]({ publicKey: decoded(options) }));
    return;
  } catch (error) {
    const took = performance.now() - began;
    if (error.name === "InvalidStateError") say("already");
    else if (error.name === "SecurityError" || error.name === "NotSupportedError") say("impossible");
    else if (error.name !== "NotAllowedError" && error.name !== "AbortError") say("failed");
    else if (took >= timeout - AT_ONCE) say("timed-out");
    else if (byItself && took < AT_ONCE) say("press");
    else say("cancelled");
  }
  button.disabled = false;
}

if (form) {
  const touch = form.elements.touch;
  if (touch) touch.value = navigator.maxTouchPoints || 0;
  if (form.dataset.passkey === "tell") {
    // A page that only wants to know what this device is.
  } else if (!window.PublicKeyCredential || !navigator.credentials) {
    say("impossible");
  } else {
    const button = form.querySelector("button[data-start]");
    button.hidden = false;
    button.addEventListener("click", () => ask(false));
    if ("auto" in form.dataset) ask(true);
    if (form.dataset.question) offer();
  }
}

// What is registered, told to the browser: it offers no more what was removed.
const signal = document.querySelector("[data-accepted]");
if (signal && window.PublicKeyCredential && PublicKeyCredential.signalAllAcceptedCredentials) {
  PublicKeyCredential.signalAllAcceptedCredentials(JSON.parse(signal.dataset.accepted)).catch(() => {});
}
