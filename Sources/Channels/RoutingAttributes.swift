package import CloudEvents
import Glibc

/// The attributes that decide where an event goes and whether it was seen before, found in one pass.
///
/// They lie within the event's bytes and are valid as long as the view is.
package struct RoutingAttributes {
    package private(set) var source: UnsafeRawBufferPointer?
    package private(set) var subject: UnsafeRawBufferPointer?
    package private(set) var id: UnsafeRawBufferPointer?
    package private(set) var partitionKey: UnsafeRawBufferPointer?

    @inline(__always)
    package init(_ event: EventView) {
        event.forEachAttribute { name, _, value in
            // Lengths tell these names from nearly all others.
            switch name.count {
            case 2: if Self.equal(name, "id") { id = value }
            case 6: if Self.equal(name, "source") { source = value }
            case 7: if Self.equal(name, "subject") { subject = value }
            case 12: if Self.equal(name, "partitionkey") { partitionKey = value }
            default: break
            }
        }
    }

    @inline(__always)
    private static func equal(_ name: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        name.baseAddress.map { memcmp($0, word.utf8Start, word.utf8CodeUnitCount) == 0 } ?? false
    }
}
