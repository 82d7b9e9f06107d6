std = "lua54c" -- Prosody runs on Lua 5.2 to 5.4; lua54c includes the names of older versions
max_line_length = 150
codes = true

files["prosody/mod_*/"] = {
	read_globals = { "prosody", "module.depends" },
	globals = { "module" },
	allow_defined_top = true, -- each module has its own environment; its globals are its exports
}
files["prosody/spec/"] = { std = "+busted" }
files["test/support/prosody/"] = files["prosody/mod_*/"]
