import CloudEvents

/// The shapes of the bodies, as JSON Schema 2020-12, by the names that routes use.
///
/// What a manifest may say of a thing is checked by the reader of that kind of document, which names every fault; the
/// schemas here say what a client must know to build and to read, and leave the rest open.
enum Schemas {
    /// All of them; a test holds that this is well-formed and that routes name no other.
    static func all() throws(JSONError) -> JSONObject {
        guard case .object(let object) = try JSONValue(parsing: text) else { return JSONObject() }
        return object
    }

    private static let text = #"""
        {
          "Object": { "type": "object" },
          "Text": { "type": "string" },
          "Health": {
            "type": "object", "required": ["status"],
            "properties": {
              "status": { "const": "ok" },
              "isolation": {
                "description": "How functions are isolated on this host: the level (3 full … 0 none), and what does not work.",
                "type": "object", "required": ["level"],
                "properties": {
                  "level": { "type": "integer", "minimum": 0, "maximum": 3 },
                  "missing": { "type": "array", "items": { "type": "string" } }
                }
              }
            }
          },
          "Problem": {
            "description": "Problem details of RFC 9457.",
            "type": "object",
            "required": ["type", "title", "status", "code", "detail"],
            "properties": {
              "type": { "type": "string", "format": "uri" },
              "title": { "type": "string" },
              "status": { "type": "integer" },
              "code": { "type": "string", "description": "For programs: not-found, unknown-parameter …" },
              "detail": { "type": "string", "description": "A sentence for the person who must act." },
              "instance": { "type": "string", "description": "The request's id." },
              "errors": { "type": "array", "items": { "$ref": "#/components/schemas/Fault" } }
            }
          },
          "Fault": {
            "description": "One thing that is wrong with what was sent, and where.",
            "type": "object",
            "required": ["message"],
            "properties": {
              "path": { "type": "string" },
              "attribute": { "type": "string" },
              "index": { "type": "integer", "minimum": 0 },
              "parameter": { "type": "string" },
              "header": { "type": "string" },
              "line": { "type": "integer", "minimum": 1 },
              "column": { "type": "integer", "minimum": 1 },
              "message": { "type": "string" }
            }
          },
          "Resource": {
            "type": "object",
            "properties": {
              "name": { "type": "string" },
              "namespace": { "type": "string" },
              "generation": { "type": "integer", "minimum": 1 },
              "status": { "type": "object" }
            }
          },
          "Channel": { "$ref": "#/components/schemas/Resource" },
          "Package": { "$ref": "#/components/schemas/Resource" },
          "API": { "$ref": "#/components/schemas/Resource" },
          "Source": { "$ref": "#/components/schemas/Resource" },
          "Subscription": { "$ref": "#/components/schemas/Resource" },
          "Function": { "$ref": "#/components/schemas/Resource" },
          "FunctionUpload": {
            "type": "object",
            "properties": {
              "code": {
                "description": "The code, with every change: its text, or a file.",
                "oneOf": [
                  { "type": "string" },
                  {
                    "type": "object",
                    "required": ["filename", "base64"],
                    "additionalProperties": false,
                    "properties": {
                      "filename": {
                        "type": "string", "description": "Says what it is: .py, .zip, .tar.gz, or a program."
                      },
                      "base64": { "type": "string", "contentEncoding": "base64" }
                    }
                  }
                ]
              }
            }
          },
          "ResourcePage": {
            "type": "object",
            "required": ["items"],
            "properties": {
              "items": { "type": "array", "items": { "type": "object" } },
              "next": { "type": "string", "description": "The cursor of the next page; absent on the last." }
            }
          },
          "PutOutcome": {
            "type": "object",
            "required": ["outcome", "changes", "resource"],
            "properties": {
              "outcome": { "enum": ["created", "updated", "unchanged"] },
              "changes": {
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["path"],
                  "properties": { "path": { "type": "string" }, "before": true, "after": true }
                }
              },
              "resource": { "$ref": "#/components/schemas/Resource" }
            }
          },
          "CloudEvent": {
            "description": "One CloudEvent 1.0 in the JSON format; in binary mode its attributes are ce- headers.",
            "type": "object",
            "required": ["specversion", "id", "source", "type"],
            "properties": {
              "specversion": { "const": "1.0" },
              "id": { "type": "string", "minLength": 1 },
              "source": { "type": "string", "minLength": 1 },
              "type": { "type": "string", "minLength": 1 },
              "subject": { "type": "string" },
              "time": { "type": "string", "format": "date-time" },
              "datacontenttype": { "type": "string" },
              "dataschema": { "type": "string", "format": "uri" },
              "data": true,
              "data_base64": { "type": "string", "contentEncoding": "base64" }
            }
          },
          "HookOutcome": {
            "type": "object", "required": ["events", "unreadable"],
            "properties": {
              "events": { "type": "integer", "minimum": 0 },
              "unreadable": {
                "description": "Parts that could not be read and went to the source's dead letters.",
                "type": "integer", "minimum": 0
              }
            }
          },
          "PublishOutcome": {
            "type": "object",
            "required": ["accepted", "duplicates", "events"],
            "properties": {
              "accepted": { "type": "integer", "minimum": 0 },
              "duplicates": { "type": "integer", "minimum": 0 },
              "events": {
                "description": "One a sent event, in their order; null for a duplicate.",
                "type": "array",
                "items": {
                  "type": ["object", "null"],
                  "properties": { "partition": { "type": "integer" }, "offset": { "type": "integer" } }
                }
              }
            }
          },
          "EventPage": {
            "type": "object",
            "required": ["items", "next", "end"],
            "properties": {
              "items": {
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["partition", "offset", "appended", "event"],
                  "properties": {
                    "partition": { "type": "integer" },
                    "offset": { "type": "integer" },
                    "appended": { "type": "string", "format": "date-time" },
                    "event": { "$ref": "#/components/schemas/CloudEvent" }
                  }
                }
              },
              "next": { "type": "string", "description": "The cursor behind all that was looked at." },
              "end": { "type": "boolean", "description": "Whether nothing more is there now." },
              "gaps": {
                "type": "array",
                "items": {
                  "type": "object",
                  "properties": {
                    "partition": { "type": "integer" },
                    "from": { "type": "integer" },
                    "to": { "type": "integer", "description": "Exclusive." },
                    "reason": { "enum": ["expired", "damaged", "missing"] }
                  }
                }
              }
            }
          },
          "ReplayRequest": {
            "type": "object",
            "required": ["from"],
            "additionalProperties": false,
            "properties": {
              "from": { "type": "string", "description": "earliest, a time, or a length of time before now." },
              "to": { "type": "string", "description": "The end as it is now when absent." },
              "sink": { "type": "string", "description": "Another sink than the subscription's own." },
              "dryRun": { "type": "boolean" }
            }
          },
          "Activation": {
            "type": "object",
            "required": ["id", "namespace", "function", "status", "start", "end"],
            "properties": {
              "id": { "type": "string" },
              "namespace": { "type": "string" },
              "function": { "type": "string" },
              "version": { "type": "string" },
              "status": {
                "enum": ["success", "application error", "developer error", "timeout", "internal error", "staging error"]
              },
              "start": { "type": "string", "format": "date-time" },
              "end": { "type": "string", "format": "date-time" },
              "duration": { "type": "number", "description": "Milliseconds that the handler ran." },
              "wait": { "type": "integer", "description": "Milliseconds from the call to the start." },
              "init": { "type": "integer", "description": "Milliseconds to make a new worker ready." },
              "coldStart": {
                "description": "How the worker was started; absent when a warm one served.",
                "type": "object",
                "required": ["way", "reason"],
                "properties": {
                  "way": { "enum": ["stem", "zygote", "exec", "container"] },
                  "reason": { "type": "string", "description": "Why a worker was needed and why it came this way." }
                }
              },
              "isolation": { "type": "integer", "minimum": 0, "maximum": 3 },
              "cause": { "type": "object" },
              "result": true,
              "published": { "type": "array", "items": { "type": "object" } },
              "logs": { "type": "array", "items": { "$ref": "#/components/schemas/LogLine" } },
              "logsTruncated": { "type": "boolean" },
              "network": {
                "description": "What it did with the network, for functions that may reach some of it.",
                "type": "object",
                "properties": {
                  "connections": { "type": "integer" }, "sent": { "type": "integer", "description": "Bytes." },
                  "received": { "type": "integer" }, "refused": { "type": "integer" }
                }
              },
              "inputs": {
                "description": "The files that the run was given.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["path", "size", "modified", "fileid"],
                  "properties": {
                    "mount": { "type": "string" }, "path": { "type": "string" }, "size": { "type": "integer" },
                    "modified": { "type": "string", "format": "date-time" }, "fileid": { "type": "string" },
                    "sha256": { "type": "string" }
                  }
                }
              },
              "outputs": {
                "description": "The files that the run made, in their places.",
                "type": "array",
                "items": {
                  "type": "object",
                  "required": ["mount", "path", "size", "sha256"],
                  "properties": {
                    "mount": { "type": "string" }, "path": { "type": "string" }, "size": { "type": "integer" },
                    "sha256": { "type": "string" },
                    "earlier": {
                      "type": "boolean", "description": "Whether an earlier delivery of the same event had put it there."
                    }
                  }
                }
              }
            }
          },
          "Accepted": {
            "type": "object", "required": ["activationId"], "properties": { "activationId": { "type": "string" } }
          },
          "LogLine": {
            "type": "object",
            "required": ["time", "stream", "text"],
            "properties": {
              "time": { "type": "string", "format": "date-time" },
              "stream": { "enum": ["stdout", "stderr"] },
              "text": { "type": "string" },
              "activation": { "type": "string" },
              "function": { "type": "string" }
            }
          },
          "LogPage": {
            "type": "object",
            "required": ["items"],
            "properties": {
              "items": { "type": "array", "items": { "$ref": "#/components/schemas/LogLine" } },
              "next": { "type": "string" },
              "truncated": { "type": "boolean", "description": "Whether lines were left out: the log limit was reached." }
            }
          }
        }
        """#
}
