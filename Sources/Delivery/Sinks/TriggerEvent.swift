import CloudEvents

/// The firing of a trigger of the OpenWhisk API as an event of the trigger's channel.
///
/// Its data are the arguments of the functions that its rules name. Which rules were active is decided when it is fired
/// and stands in the event, with the activation id that each run is to have, so that the trigger's record can name them
/// before they run. Events that were published into the channel in another way are delivered as ever.
package enum TriggerEvent {
    package static let type = "dev.weir.trigger.fired"
    /// The attribute that names the runs: a JSON object, subscription to activation id.
    package static let runs = "weirruns"

    /// What a subscription is to do with an event.
    enum Errand: Equatable {
        /// It is no firing.
        case event
        /// The rule was not active, or is younger than the firing.
        case none
        /// Run with these arguments; the first attempt under this id.
        case call(arguments: JSONObject, activationID: String?)
    }

    /// - Parameter subscription: its name within its namespace.
    static func errand(_ view: EventView, subscription: some StringProtocol) -> Errand {
        guard view.attribute("type")?.elementsEqual(type.utf8) ?? false else { return .event }
        let arguments = (try? JSONValue(parsing: view.data))?.object ?? [:]
        guard let text = view.string("weirruns"), let runs = try? JSONValue(parsing: text).object else {
            return .call(arguments: arguments, activationID: nil)
        }
        guard let id = runs[String(subscription)]?.string else { return .none }
        return .call(arguments: arguments, activationID: id)
    }
}
