/// An array of plain values in pages that copies share until one of them writes.
///
/// Copying the whole costs one reference; the first write behind a copy copies the list of pages, and each page that is
/// written is copied once. So a reader keeps an immutable snapshot of a table of a million entries while the writer
/// changes its own at a few kilobytes a change, and neither waits for the other.
struct PagedArray<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
    // Sendable although it holds pointers: a page is written only while exactly one array refers to it
    // (isKnownUniquelyReferenced in ``writablePage``), and `bases` points into the pages that `pages` keeps alive.

    /// One allocation of `1 << shift` elements.
    private final class Page {
        let elements: UnsafeMutablePointer<Element>
        init(capacity: Int) { elements = .allocate(capacity: capacity) }
        deinit { elements.deallocate() }
    }

    private var pages: ContiguousArray<Page> = []
    /// Where each page's elements lie; beside `pages` so that reading touches no reference count.
    private var bases: ContiguousArray<UnsafeMutablePointer<Element>> = []
    private(set) var count = 0
    private let shift: Int
    private let filler: Element

    /// - Parameter shift: a page holds `1 << shift` elements.
    init(shift: Int, filler: Element, count: Int = 0) {
        self.shift = shift
        self.filler = filler
        grow(to: count)
    }

    private var mask: Int { (1 << shift) - 1 }
    /// How many elements a page holds.
    var pageCapacity: Int { 1 << shift }
    /// Bytes allocated.
    var byteCount: Int { pages.count << shift * MemoryLayout<Element>.stride }

    subscript(index: Int) -> Element {
        @inline(__always) get { bases[index >> shift][index & mask] }
        set { writablePage(index >> shift)[index & mask] = newValue }
    }

    mutating func append(_ element: Element) {
        grow(to: count + 1)
        self[count - 1] = element
    }

    /// Makes it `newCount` long; new elements are the filler.
    mutating func grow(to newCount: Int) {
        while pages.count << shift < newCount {
            let page = Page(capacity: 1 << shift)
            page.elements.initialize(repeating: filler, count: 1 << shift)
            pages.append(page)
            bases.append(page.elements)
        }
        count = max(count, newCount)
    }

    /// Where an element and those behind it in its page lie; valid while this value lives.
    @inline(__always)
    func pointer(_ index: Int) -> UnsafePointer<Element> { UnsafePointer(bases[index >> shift] + (index & mask)) }

    /// The same for writing `count` elements that lie in one page.
    mutating func withMutablePointer(_ index: Int, _ body: (UnsafeMutablePointer<Element>) -> Void) {
        body(writablePage(index >> shift) + (index & mask))
    }

    private mutating func writablePage(_ page: Int) -> UnsafeMutablePointer<Element> {
        if !isKnownUniquelyReferenced(&pages[page]) {
            let copy = Page(capacity: 1 << shift)
            copy.elements.initialize(from: bases[page], count: 1 << shift)
            pages[page] = copy
            bases[page] = copy.elements
        }
        return bases[page]
    }
}
