// A guard that lets React draw a page whose nodes a translator or an extension has replaced or moved.
//
// Chrome's translator replaces each text node by a `font` element with the translation. React keeps the old node. It
// throws if it removes that node or inserts something before it, and a text that it writes there is never visible. The
// guard therefore puts the old node back before React uses it. The translator then translates the new text.
//
// The translator runs in a world of its own, where no function of the page sees its calls. Only a MutationObserver does.

/** @type {WeakMap<Node, Node[]>} the nodes that another script has put in the place of a node */
const substitutes = new WeakMap();

/**
 * Record the substitutes of removed nodes.
 * @param {MutationRecord[]} records The changes of one task.
 */
function record(records) {
  /** @type {Map<Node, Node[]>} */
  const insertedBeside = new Map();
  /** @type {MutationRecord | undefined} */
  let last;
  for (const current of records) {
    const { addedNodes, removedNodes, previousSibling, nextSibling } = current;
    const added = [...addedNodes];
    for (const neighbour of [previousSibling, nextSibling]) {
      if (neighbour && added.length > 0)
        insertedBeside.set(neighbour, [...(insertedBeside.get(neighbour) ?? []), ...added]);
    }
    for (const removed of removedNodes) {
      const inserted = added.length > 0 ? added : insertedBeside.get(removed);
      if (inserted) substitutes.set(removed, inserted);
    }
    const isSamePlace =
      last?.target === current.target && last.previousSibling === previousSibling && last.nextSibling === nextSibling;
    if (last && isSamePlace && added.length > 0 && last.addedNodes.length === 0) {
      for (const removed of last.removedNodes) substitutes.set(removed, added);
    }
    last = current;
  }
}

/**
 * Return the nodes of the document that stand in the place of a node.
 * @param {Node} node
 * @param {Set<Node>} [seen] nodes that have been replaced by each other already
 * @returns {Node[]}
 */
function substitutesOf(node, seen = new Set()) {
  if (seen.has(node)) return [];
  seen.add(node);
  return (substitutes.get(node) ?? []).flatMap((each) => (each.isConnected ? [each] : substitutesOf(each, seen)));
}

/**
 * Remove the elements between a node and its former parent, without what they contain.
 * @param {Node} node
 * @param {Node} parent
 */
function unwrap(node, parent) {
  while (node.parentElement && node.parentElement !== parent) {
    const wrapper = node.parentElement;
    wrapper.replaceWith(...wrapper.childNodes);
  }
}

function install() {
  const { insertBefore, removeChild } = Node.prototype;
  const nodeValue = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(Node.prototype, "nodeValue"));
  const observer = new MutationObserver(record);
  observer.observe(document, { childList: true, subtree: true });

  /**
   * Put a node back where React has left it.
   * @param {Node} node
   * @param {Node} [parent] the element that React takes for the node's parent
   */
  function restore(node, parent) {
    record(observer.takeRecords());
    if (parent?.contains(node)) unwrap(node, parent);
    else {
      const [first, ...others] = substitutesOf(node);
      if (!(first instanceof Element || first instanceof Text) || (parent && first.parentNode !== parent)) return;
      first.replaceWith(node);
      for (const other of others) other.parentNode?.removeChild(other);
    }
    substitutes.delete(node);
    // These changes are the guard's own.
    observer.takeRecords();
  }

  Node.prototype.removeChild = function (child) {
    if (child.parentNode !== this) restore(child, this);
    // The node is gone already if another script has removed it without a substitute.
    return child.parentNode === this ? /** @type {any} */ (removeChild.call(this, child)) : child;
  };

  Node.prototype.insertBefore = function (node, child) {
    if (child && child.parentNode !== this) restore(child, this);
    return /** @type {any} */ (insertBefore.call(this, node, child?.parentNode === this ? child : null));
  };

  Object.defineProperty(Node.prototype, "nodeValue", {
    ...nodeValue,
    set(value) {
      if (!this.isConnected) restore(this);
      nodeValue.set?.call(this, value);
    },
  });
}

if (typeof window !== "undefined") install();
