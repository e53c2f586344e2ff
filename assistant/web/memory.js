// Only the choice of language and colours is kept on the device; nothing that was asked or answered is.
/** What was chosen for `name` ("locale", "theme"), or null. */
export function remembered(name) {
  try {
    return localStorage.getItem(`virtual-doctor.${name}`);
  } catch {
    return null; // storage may be forbidden
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`virtual-doctor.${name}`, value);
  } catch {
    // Without storage the choice lasts until the page is left.
  }
}
