"""Who publishes what, on all nodes, without a leader: ``Machine.step(event, now)`` gives effects.

Each publication has one holder, the only node that changes it; all others have copies that they compare with the
holder's. No task, socket, file, clock or chance in here; the records themselves are kept by the core.
"""
