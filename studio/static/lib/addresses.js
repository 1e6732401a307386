// Where everything is: the server's addresses with this page's token, and the pages that a tab can be at.

export class Addresses {
  /** `base`: the address of the page's folder, `token`: what the server gave this page to prove itself with. */
  constructor(base, token) {
    Object.assign(this, { base, token });
  }

  /** The address of one of the server's paths. */
  of(path) {
    const url = new URL(path, this.base);
    url.searchParams.set("t", this.token);
    return url.href;
  }

  image(sid, digest) {
    return this.of(`studio/${sid}/image/${digest}`);
  }

  exported(sid, step) {
    return this.of(`studio/${sid}/export/${step}`);
  }

  /** The page itself with a session open, or the first page where `sid` is null. */
  page(sid, branch = null) {
    const url = new URL(location.href);
    for (const [name, value] of [["session", sid], ["branch", branch]]) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    return url.href;
  }
}
