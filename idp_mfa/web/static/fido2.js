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

async function ask(options, byItself) {
  const button = form.querySelector("button[data-start]");
  const began = performance.now();
  button.disabled = true;
  say("waiting");
  try {
    const publicKey = decoded(options);
    const credential = await navigator.credentials[form.dataset.passkey]({ publicKey });
    form.elements.credential.value = encoded(credential);
    form.submit();
    return;
  } catch (error) {
    const took = performance.now() - began;
    if (error.name === "InvalidStateError") say("already");
    else if (error.name === "SecurityError" || error.name === "NotSupportedError") say("impossible");
    else if (error.name !== "NotAllowedError" && error.name !== "AbortError") say("failed");
    else if (took >= options.timeout - AT_ONCE) say("timed-out");
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
    const options = JSON.parse(form.dataset.options);
    const button = form.querySelector("button[data-start]");
    button.hidden = false;
    button.addEventListener("click", () => ask(options, false));
    if ("auto" in form.dataset) ask(options, true);
  }
}

// What is registered, told to the browser: it offers no more what was removed.
const signal = document.querySelector("[data-accepted]");
if (signal && window.PublicKeyCredential && PublicKeyCredential.signalAllAcceptedCredentials) {
  PublicKeyCredential.signalAllAcceptedCredentials(JSON.parse(signal.dataset.accepted)).catch(() => {});
}
