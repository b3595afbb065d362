// React hooks that several pages use.
import { useEffect, useLayoutEffect, useState } from "react";

/**
 * @template Value
 * @typedef {import("./store.js").Store<Value>} Store
 */

/**
 * Draw a component from a store's value.
 * @template Value
 * @param {Store<Value>} store
 */
export const useStore = (store) => useSelected(store, store.get);

/**
 * Draw a component from one field of a store's value; changes of other fields do not draw it.
 * @template Value
 * @template {keyof Value} Name
 * @param {Store<Value>} store
 * @param {Name} name
 * @returns {Value[Name]}
 */
export const useField = (store, name) => useSelected(store, () => store.get()[name], name);

/**
 * React's own `useSyncExternalStore` draws every change without interruption. With `useState`, React draws a change
 * within `startTransition` in slices and handles input in between; it draws any other change at once.
 * @template Value, Selected
 * @param {Store<Value>} store
 * @param {() => Selected} select
 * @param {PropertyKey} [name] identifies the result of `select`
 */
function useSelected(store, select, name) {
  const [selected, setSelected] = useState(select);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `name` identifies `select`, which is new in each drawing
  useLayoutEffect(() => {
    const follow = () => setSelected(select);
    follow();
    return store.subscribe(follow);
  }, [store, name]);
  return selected;
}

/**
 * Call a function every second while the component is mounted.
 * @param {() => void} tick
 */
export const useEverySecond = (tick) =>
  useEffect(() => {
    const timer = setInterval(tick, 1_000);
    return () => clearInterval(timer);
  }, [tick]);

// Safari has no idle callback.
const IDLE_AFTER_MS = 2_000;

/** Return true once the page has loaded and the browser has nothing urgent to do. */
export function useIdle() {
  const [isIdle, setIdle] = useState(false);
  useEffect(() => {
    const finish = () => setIdle(true);
    const wait = () =>
      "requestIdleCallback" in window ? requestIdleCallback(finish) : setTimeout(finish, IDLE_AFTER_MS);
    if (document.readyState === "complete") wait();
    else addEventListener("load", wait, { once: true });
    return () => removeEventListener("load", wait);
  }, []);
  return isIdle;
}
