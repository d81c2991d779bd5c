// The one entry of every page; each module finds the elements it serves, and does nothing without them.
import "./requests.js";
import "./clocks.js";
import "./keys.js";
import "./log_pane.js";
import "./stream.js";
import "./worker_log.js";
import "./yaml_editor.js";
