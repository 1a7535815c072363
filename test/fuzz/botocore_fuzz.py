# The botocore side of the contract test: calls operations as told on standard input and hands each HTTP request it
# would send to standard output, where the answer comes from. One JSON object a line both ways.
import base64
import datetime
import io
import json
import sys

import botocore
import botocore.model
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

UTC = datetime.timezone.utc
answers = sys.stdin
forced = {'protocol': None}

resolved = botocore.model.ServiceModel.resolved_protocol


def protocol_of(self):
    return forced['protocol'] or resolved.__get__(self, type(self))


botocore.model.ServiceModel.resolved_protocol = property(protocol_of)


def say(value):
    sys.stdout.write(json.dumps(value) + '\n')
    sys.stdout.flush()


def hear():
    line = answers.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def typed(value):
    """Tagged JSON to Python values."""
    if isinstance(value, dict):
        if '$bytes' in value:
            return base64.b64decode(value['$bytes'])
        if '$time' in value:
            return datetime.datetime.fromtimestamp(value['$time'], UTC)
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else value


def tagged(value):
    """Python values to tagged JSON."""
    if isinstance(value, (bytes, bytearray)):
        return {'$bytes': base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        return {'$time': value.timestamp()}
    if isinstance(value, dict):
        return {key: tagged(item) for key, item in value.items() if key != 'ResponseMetadata'}
    if isinstance(value, (list, tuple)):
        return [tagged(item) for item in value]
    if hasattr(value, 'read'):
        return {'$bytes': base64.b64encode(value.read()).decode()}
    if hasattr(value, '_raw_stream') or type(value).__name__ == 'EventStream':
        return [tagged(event) for event in value]
    return value


def prune(shape, value):
    """What this botocore's model knows of a value: packages are of different months."""
    if shape is None or value is None:
        return value
    if shape.type_name == 'structure' and isinstance(value, dict):
        if getattr(shape, 'is_document_type', False):
            return value
        return {key: prune(shape.members[key], item) for key, item in value.items() if key in shape.members}
    if shape.type_name == 'structure' and isinstance(value, list):
        return [prune(shape, item) for item in value]
    if shape.type_name == 'list' and isinstance(value, list):
        return [prune(shape.member, item) for item in value]
    if shape.type_name == 'map' and isinstance(value, dict):
        return {key: prune(shape.value, item) for key, item in value.items()}
    return value


class Raw(io.BytesIO):
    def stream(self, *_args, **_kwargs):
        contents = self.read()
        while contents:
            yield contents
            contents = self.read()


def exchange(request, **_kwargs):
    body = request.body
    if hasattr(body, 'read'):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    headers = {
        key: value.decode('latin-1') if isinstance(value, bytes) else str(value) for key, value in request.headers.items()
    }
    say({
        'request': {
            'method': request.method,
            'url': request.url,
            'headers': headers,
            'body': base64.b64encode(body or b'').decode(),
        }
    })
    answer = hear()
    return AWSResponse(request.url, answer['status'], answer['headers'], Raw(base64.b64decode(answer['body'])))


session = botocore.session.Session()
clients = {}


def client_of(service, protocol):
    key = (service, protocol)
    if key not in clients:
        clients.clear()
        forced['protocol'] = protocol
        client = session.create_client(
            service,
            region_name='us-east-1',
            endpoint_url='http://localhost:4566',
            aws_access_key_id='AKIAIOSFODNN7EXAMPLE',
            aws_secret_access_key='wJalrXUtnFEMI',
            config=Config(
                parameter_validation=False,
                inject_host_prefix=False,
                retries={'total_max_attempts': 1},
                request_checksum_calculation='when_required',
                response_checksum_validation='when_required',
                s3={'addressing_style': 'path'},
            ),
        )
        client.meta.events.register_first('before-send', exchange)
        clients[key] = client
    return clients[key]


say({'version': botocore.__version__})
while True:
    case = hear()
    try:
        client = client_of(case['service'], case.get('protocol'))
    except Exception as error:
        say({'skipped': f'no client: {error}'})
        continue
    model = client.meta.service_model
    if case['operation'] not in model.operation_names:
        say({'skipped': 'operation'})
        continue
    operation = model.operation_model(case['operation'])
    wanted = prune(operation.input_shape, typed(case['input'])) or {}
    sent = tagged(wanted)
    try:
        result = client._make_api_call(case['operation'], wanted)
        say({
            'sent': sent,
            'wanted': tagged(prune(operation.output_shape, typed(case['output']))) if operation.output_shape else {},
            'result': tagged(result),
        })
    except ClientError as error:
        say({
            'sent': sent,
            'error': {
                'class': type(error).__name__,
                'code': error.response['Error'].get('Code'),
                'message': error.response['Error'].get('Message'),
                'modelled': [shape.name for shape in model.error_shapes],
            },
        })
    except Exception as error:
        say({'sent': sent, 'failed': f'{type(error).__name__}: {error}'})
