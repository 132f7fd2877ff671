interface Drawn {
  readonly id: string;
  readonly labels: readonly string[];
  /** Of the policies. */
  readonly shown: readonly boolean[];
}

/** As much of a browser as the page's script and uPlot need to draw, without one. */
export function stubDocument(page: string) {
  const errors: unknown[] = [];
  const hosts = new Map<string, StubElement>();
  const listeners = new Map<string, (() => void)[]>();
  const data = new StubElement("script");
  data.textContent = /<script type="application\/json" id="data">([\s\S]*?)<\/script>/.exec(page)?.[1] ?? "";
  const boxes = [...page.matchAll(/data-policy="(\d+)"/g)].map(([, index = ""]) => {
    const box = new StubElement("input");
    box.dataset.policy = index;
    box.checked = true;
    return box;
  });

  const document = {
    documentElement: new StubElement("html"),
    body: new StubElement("body"),
    createElement: (name: string) => new StubElement(name),
    createTextNode: (text: string) => text,
    addEventListener() {},
    removeEventListener() {},
    dispatchEvent: () => true,
    querySelectorAll: () => boxes,
    getElementById(id: string) {
      if (id === "data") return data;
      if (!page.includes(`id="${id}"`)) return null;
      let host = hosts.get(id);
      if (host === undefined) {
        host = new StubElement("div");
        host.id = id;
        hosts.set(id, host);
      }
      return host;
    },
  };
  const window = {
    document,
    navigator: { language: "en-US" },
    devicePixelRatio: 1,
    Intl,
    Path2D: StubPath,
    HTMLElement: StubElement,
    addEventListener() {},
    removeEventListener() {},
    dispatchEvent: () => true,
    CustomEvent: class {},
    Event: class {},
    requestAnimationFrame: (callback: () => void) => callback(),
    queueMicrotask: (callback: () => void) => callback(),
    getComputedStyle: () => ({ getPropertyValue: () => "#000000" }),
    matchMedia: (query: string) => ({
      addEventListener: (_: string, listener: () => void) =>
        void listeners.set(query, [...(listeners.get(query) ?? []), listener]),
      removeEventListener() {},
    }),
    ResizeObserver: class {
      observe() {}
    },
    console: { error: (error: unknown) => void errors.push(error), log() {}, warn() {} },
  };
  const globals: Record<string, unknown> = { ...window };
  globals.window = globals;
  globals.self = globals;

  return {
    globals,
    errors,
    plots(): readonly Drawn[] {
      return [...hosts.values()].flatMap((host) =>
        host.children.map((root) => {
          const rows = root.all("u-series");
          return {
            id: host.id.replace("plot-", ""),
            labels: rows.map((row) => row.all("u-label")[0]?.textContent ?? ""),
            shown: rows.slice(1).map((row) => !row.classes.has("u-off")),
          };
        }),
      );
    },
    uncheck(index: number) {
      const box = boxes[index];
      if (box === undefined) throw new Error(`the page has no box for policy ${index}`);
      box.checked = false;
      box.fire("change");
    },
    changeScheme() {
      for (const listener of listeners.get("(prefers-color-scheme: dark)") ?? []) listener();
    },
  };
}

class StubPath {
  moveTo() {}
  lineTo() {}
  rect() {}
  arc() {}
  closePath() {}
  addPath() {}
}

class StubElement {
  readonly tagName: string;
  readonly children: StubElement[] = [];
  readonly classes = new Set<string>();
  readonly dataset: Record<string, string> = {};
  readonly style = { setProperty() {}, removeProperty() {} };
  readonly clientWidth = 480;
  readonly clientHeight = 220;
  readonly ownerDocument = {};
  readonly #listeners = new Map<string, ((event: unknown) => void)[]>();
  parentNode: StubElement | undefined;
  id = "";
  checked = false;
  textContent = "";
  width = 0;
  height = 0;

  constructor(tagName: string) {
    this.tagName = tagName;
  }

  readonly classList = {
    add: (...names: string[]) => {
      for (const name of names) if (name) this.classes.add(name);
    },
    remove: (...names: string[]) => {
      for (const name of names) this.classes.delete(name);
    },
    contains: (name: string) => this.classes.has(name),
    toggle: (name: string, on: boolean) => (on ? this.classes.add(name) : this.classes.delete(name)),
  };

  get childNodes(): readonly StubElement[] {
    return this.children;
  }

  get firstChild(): StubElement | undefined {
    return this.children[0];
  }

  get firstElementChild(): StubElement | undefined {
    return this.children[0];
  }

  appendChild<Child extends StubElement | string>(child: Child): Child {
    if (child instanceof StubElement) {
      child.parentNode = this;
      this.children.push(child);
    } else this.textContent += child;
    return child;
  }

  insertBefore(child: StubElement, before: StubElement | undefined): StubElement {
    child.parentNode = this;
    const at = before === undefined ? this.children.length : Math.max(0, this.children.indexOf(before));
    this.children.splice(at, 0, child);
    return child;
  }

  remove(): void {
    const siblings = this.parentNode?.children;
    if (siblings?.includes(this)) siblings.splice(siblings.indexOf(this), 1);
  }

  setAttribute(name: string, value: string): void {
    if (name === "id") this.id = value;
  }

  addEventListener(name: string, listener: (event: unknown) => void): void {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  removeEventListener(): void {}

  fire(name: string): void {
    for (const listener of this.#listeners.get(name) ?? []) listener({ target: this });
  }

  getBoundingClientRect() {
    return { left: 0, top: 0, width: 480, height: 220, right: 480, bottom: 220 };
  }

  getContext() {
    // Whatever is drawn is swallowed: a call answers nothing, a property is whatever was set last.
    return new Proxy({ measureText: () => ({ width: 10 }) } as Record<string, unknown>, {
      get: (target, name: string) => target[name] ?? (() => undefined),
      set: (target, name: string, value) => {
        target[name] = value;
        return true;
      },
    });
  }

  /** Elements below with that class, in order. */
  all(name: string): StubElement[] {
    return this.children.flatMap((child) => [...(child.classes.has(name) ? [child] : []), ...child.all(name)]);
  }
}
