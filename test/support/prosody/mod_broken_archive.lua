-- Simulates a broken archive: storing a message with a certain id fails.

module:hook("muc-broadcast-message", function (event)
	if event.stanza.attr.id == "broken" then
		error("the disk is full");
	end
end, 10);
