std = "lua54c" -- Prosody runs on Lua 5.2 to 5.4, with the names of older ones kept
max_line_length = 150
codes = true

files["prosody/mod_*/"] = {
	read_globals = { "prosody", "module.depends" },
	globals = { "module" },
	allow_defined_top = true, -- a module has an environment of its own; what it leaves global is what it offers
}
files["prosody/spec/"] = { std = "+busted" }
files["test/support/prosody/"] = files["prosody/mod_*/"]
